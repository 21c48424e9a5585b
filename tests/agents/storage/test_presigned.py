import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import urllib3

from agents.storage import PresignedStore
from agents.storage.presigned import expires_at
from agents.storage.threads import StorageThreads
from stream.failures import Failure, Held, Reason, Refused, Retryable

NOW = 1_800_000_000.0


@dataclass
class Cdn:
    """What a CDN answers next, and what it was asked."""

    status: int = 200
    body: bytes = b""
    length: str = "12"
    url: str = ""
    asked: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)


@contextmanager
def serving(cdn: Cdn) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.reply(body)

        def do_HEAD(self) -> None:
            self.reply(b"")

        def reply(self, body: bytes) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            cdn.asked.append((self.command, self.path, headers, body))
            is_head = self.command == "HEAD"
            self.send_response(cdn.status)
            self.send_header("Content-Length", cdn.length if is_head else str(len(cdn.body)))
            self.end_headers()
            self.wfile.write(b"" if is_head else cdn.body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        cdn.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield
        server.shutdown()
        thread.join()


@pytest.fixture
def cdn() -> Iterator[Cdn]:
    answers = Cdn()
    with serving(answers):
        yield answers


@pytest.fixture
async def store(cdn: Cdn) -> AsyncIterator[PresignedStore]:
    threads = StorageThreads(2, 5)
    with urllib3.PoolManager(retries=False, timeout=5) as http:
        template = f"{cdn.url}/previews/{{key}}?signature=very-secret"
        store = PresignedStore(template, http=http, threads=threads, acl="public-read", now=lambda: NOW)
        yield store
        await store.close()


async def put(store: PresignedStore) -> None:
    await store.put("c/k.webp", b"picture", content_type="image/webp", expires_at=NOW + 60)


async def test_a_picture_is_put_at_the_signed_address_with_its_headers(store: PresignedStore, cdn: Cdn) -> None:
    await put(store)
    [(method, path, headers, body)] = cdn.asked
    assert (method, path, body) == ("PUT", "/previews/c/k.webp?signature=very-secret", b"picture")
    assert headers["content-type"] == "image/webp"
    assert headers["x-amz-acl"] == "public-read"
    assert headers["cache-control"] == "public, max-age=60"


async def test_the_public_address_is_the_part_before_the_question_mark(store: PresignedStore, cdn: Cdn) -> None:
    assert store.url("c/k.webp", NOW + 60, NOW) == f"{cdn.url}/previews/c/k.webp"


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (403, b"<Code>AccessDenied</Code><Message>Request has expired</Message>", (Held, Reason.PRESIGNED_EXPIRED)),
        (400, b"<Code>ExpiredToken</Code>", (Held, Reason.PRESIGNED_EXPIRED)),
        (403, b"<Code>AccessDenied</Code>", (Held, Reason.STORAGE_ACCESS_REFUSED)),
        (403, b"<Code>SignatureDoesNotMatch</Code>", (Held, Reason.STORAGE_ACCESS_REFUSED)),
        (507, b"", (Retryable, Reason.STORAGE_FULL)),
        (503, b"<html>", (Retryable, Reason.STORAGE_UNAVAILABLE)),
        (302, b"", (Refused, Reason.STORAGE_REFUSED)),
        (400, b"<Code>InvalidArgument</Code>", (Refused, Reason.STORAGE_REFUSED)),
    ],
)
async def test_every_refusal_has_its_reason_and_none_tells_the_signature(
    store: PresignedStore, cdn: Cdn, status: int, body: bytes, expected: tuple[type[Failure], Reason]
) -> None:
    cdn.status, cdn.body = status, body
    with pytest.raises(Failure) as caught:
        await put(store)
    assert (type(caught.value), caught.value.reason) == expected
    assert "very-secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "length", "exists"),
    [
        (200, "12", True),
        (200, "0", False),  # deleted, as far as a PUT can delete
        (404, "0", False),
        (410, "0", False),
        (403, "0", True),  # the CDN does not say, so the PUT is believed
        (405, "0", True),
    ],
)
async def test_a_picture_is_there_when_the_public_side_says_so_or_does_not_say(
    store: PresignedStore, cdn: Cdn, status: int, length: str, *, exists: bool
) -> None:
    cdn.status, cdn.length = status, length
    assert await store.exists("c/k.webp") is exists
    assert cdn.asked[0][:2] == ("HEAD", "/previews/c/k.webp")


async def test_a_public_side_that_is_down_is_tried_again(store: PresignedStore, cdn: Cdn) -> None:
    cdn.status = 502
    with pytest.raises(Retryable, match="storage_unavailable"):
        await store.exists("c/k.webp")


async def test_deleting_overwrites_the_picture_with_nothing(store: PresignedStore, cdn: Cdn) -> None:
    await store.delete(["c/k.webp"])
    [(method, _, headers, body)] = cdn.asked
    assert (method, body, headers["cache-control"]) == ("PUT", b"", "no-store")


@pytest.mark.parametrize(
    ("query", "end"),
    [
        ("X-Amz-Date=20270115T080000Z&X-Amz-Expires=60", NOW + 60),
        ("X-Goog-Date=20270115T080000Z&X-Goog-Expires=60", NOW + 60),
        ("AWSAccessKeyId=a&Expires=1800000060&Signature=b", NOW + 60),
        ("sv=2024-11-04&se=2027-01-15T08%3A01%3A00Z&sig=b", NOW + 60),
        ("X-Amz-Date=yesterday&X-Amz-Expires=60", None),
        ("X-Amz-Date=20270115T080000Z", None),
        ("token=abc", None),
        ("", None),
    ],
)
def test_when_an_address_ends_is_read_from_it(query: str, end: float | None) -> None:
    assert expires_at(f"https://cdn.example.com/key?{query}") == end


async def test_an_address_whose_own_time_is_over_has_expired_whatever_the_vendor_says(cdn: Cdn) -> None:
    cdn.status, cdn.body = 403, b"<Code>AccessDenied</Code>"
    template = f"{cdn.url}/{{key}}?X-Amz-Date=20270115T075000Z&X-Amz-Expires=60"
    with urllib3.PoolManager(retries=False, timeout=5) as http:
        store = PresignedStore(template, http=http, threads=StorageThreads(1, 5), now=lambda: NOW)
        with pytest.raises(Held, match="presigned_expired"):
            await put(store)
        await store.close()
