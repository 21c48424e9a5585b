import asyncio
import datetime as dt
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from agents.download import AddressPolicy, Download, Downloader, SourcePolicy
from agents.download.fetch import Resolve
from agents.download.wire import Limits
from stream.failures import Failure, Reason, Rejected, Retryable
from tests.harness.certificates import Authority
from tests.harness.files_server import FilesServer

QUICK = Limits(max_bytes=26_214_400, total_seconds=0.6, connect_seconds=0.3, stall_seconds=0.3, max_redirects=5)
PATIENT = Limits(max_bytes=26_214_400, total_seconds=10, connect_seconds=5, stall_seconds=5, max_redirects=5)


@pytest.fixture(scope="module")
def server() -> Iterator[FilesServer]:
    with FilesServer() as running:
        yield running


@pytest.fixture
async def opened() -> AsyncIterator[Callable[..., Downloader]]:
    """Builds downloaders that may reach this machine, and closes them."""
    built: list[Downloader] = []

    def build(
        limits: Limits = PATIENT,
        *,
        networks: tuple[str, ...] = ("127.0.0.0/8",),
        resolve: Resolve | None = None,
        authority: Authority | None = None,
    ) -> Downloader:
        downloader = Downloader(
            sources=SourcePolicy(allow_http=True),
            addresses=AddressPolicy(networks),
            limits=limits,
            concurrency=4,
            resolve=resolve,
            trust=authority.trust() if authority else None,
        )
        built.append(downloader)
        return downloader

    yield build
    for downloader in built:
        await downloader.close()


Open = Callable[..., Downloader]


def answering(*addresses: str) -> Resolve:
    """A resolver that gives the next of these at each look-up, and the last for ever."""
    left = list(addresses)

    async def resolve(_host: str, _port: int) -> list[str]:
        return [left.pop(0) if len(left) > 1 else left[0]]

    return resolve


async def failure(fetching: Awaitable[Download]) -> Failure:
    with pytest.raises(Failure) as caught:
        await fetching
    return caught.value


async def until(condition: Callable[[], bool], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - threads do not set events of a loop
            await asyncio.sleep(0.005)


def no_download_thread_is_left() -> bool:
    return not any(thread.name.startswith("download") for thread in threading.enumerate())


async def test_a_file_comes_with_its_type_and_its_hash(server: FilesServer, opened: Open) -> None:
    download = await opened().fetch(server.url("photo.png"))
    assert download.data == server.files.contents["photo.png"][0]
    assert download.content_type == "image/png"
    assert (await opened().fetch(server.url("photo.png"), sha256=download.sha256.upper())).data == download.data


@pytest.mark.parametrize("path", ["/chunked", "/no-length", "/more-than-announced", "/redirect/5"])
async def test_every_honest_way_to_send_a_file_works(server: FilesServer, opened: Open, path: str) -> None:
    download = await opened().fetch(server.url(path))
    assert download.data == server.files.contents["photo.png"][0]


@pytest.mark.parametrize(
    ("path", "kind", "reason"),
    [
        ("nothing.png", Rejected, Reason.SOURCE_GONE),
        ("/status/410", Rejected, Reason.SOURCE_GONE),
        ("/status/418", Rejected, Reason.SOURCE_REFUSED),
        ("/status/500", Retryable, Reason.SOURCE_UNAVAILABLE),
        ("/status/429?retry-after=7", Retryable, Reason.SOURCE_UNAVAILABLE),
        ("/expired/s3", Rejected, Reason.SOURCE_GONE),
        ("/expired/cloudfront", Rejected, Reason.SOURCE_GONE),
        ("/forbidden", Rejected, Reason.SOURCE_GONE),
        ("/empty", Rejected, Reason.EMPTY),
        ("/no-content", Rejected, Reason.EMPTY),
        ("/too-large", Rejected, Reason.TOO_LARGE),
        ("/endless", Rejected, Reason.TOO_LARGE),
        ("/gzip", Rejected, Reason.SOURCE_REFUSED),
        ("/gzip-bomb", Rejected, Reason.SOURCE_REFUSED),
        ("/truncated", Retryable, Reason.SOURCE_UNAVAILABLE),
        ("/truncated-chunk", Retryable, Reason.SOURCE_UNAVAILABLE),
        ("/garbage", Retryable, Reason.SOURCE_UNAVAILABLE),
        ("/redirect/6", Rejected, Reason.SOURCE_REFUSED),
        ("/redirect-loop", Rejected, Reason.SOURCE_REFUSED),
        ("/redirect-for-ever", Rejected, Reason.SOURCE_REFUSED),
        ("/redirect-nowhere", Rejected, Reason.SOURCE_REFUSED),
        ("/redirect-to?url=file:///etc/passwd", Rejected, Reason.SOURCE_BLOCKED),
        ("/redirect-to?url=http://169.254.169.254/latest/meta-data/", Rejected, Reason.SOURCE_BLOCKED),
        ("/redirect-to?url=http://10.0.0.1/", Rejected, Reason.SOURCE_BLOCKED),
        ("/redirect-to?url=http://[::ffff:127.0.0.1]/", Rejected, Reason.SOURCE_BLOCKED),
        ("/redirect-to?url=http://user:password@example.com/", Rejected, Reason.SOURCE_REFUSED),
        ("/redirect-to?url=http://[bad/", Rejected, Reason.SOURCE_REFUSED),
    ],
)
async def test_every_bad_source_ends_in_its_reason(
    server: FilesServer, opened: Open, path: str, kind: type[Failure], reason: Reason
) -> None:
    caught = await failure(opened().fetch(server.url(path)))
    assert type(caught) is kind
    assert caught.reason is reason


async def test_a_source_that_asks_for_patience_gets_it(server: FilesServer, opened: Open) -> None:
    caught = await failure(opened().fetch(server.url("/status/503?retry-after=42")))
    assert isinstance(caught, Retryable)
    assert caught.retry_after_seconds == 42


@pytest.mark.parametrize("path", ["/drip", "/drip-headers", "/stall", "/silent"])
async def test_a_slow_source_is_given_up_at_the_deadline(server: FilesServer, opened: Open, path: str) -> None:
    start = time.monotonic()
    caught = await failure(opened(QUICK).fetch(server.url(path)))
    assert isinstance(caught, Retryable)
    assert caught.reason is Reason.SOURCE_TIMEOUT
    assert time.monotonic() - start < 3


async def test_no_thread_is_left_behind_by_a_source_that_drips(server: FilesServer, opened: Open) -> None:
    generous = Limits(max_bytes=10**6, total_seconds=0.2, connect_seconds=60, stall_seconds=60, max_redirects=5)
    downloader = opened(generous)
    await failure(downloader.fetch(server.url("/drip")))
    await failure(downloader.fetch(server.url("/silent")))
    await downloader.close()
    await until(no_download_thread_is_left, 5)


async def test_a_cancelled_download_lets_go_of_its_connection(server: FilesServer, opened: Open) -> None:
    downloader = opened()
    asked = len(server.requests)
    task = asyncio.create_task(downloader.fetch(server.url("/silent")))
    await until(lambda: len(server.requests) > asked, 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await downloader.close()
    await until(no_download_thread_is_left, 3)  # before the 5 s after which the socket's own timeout would end it


async def test_the_size_limit_is_exact(server: FilesServer, opened: Open) -> None:
    url = server.add("ten.bin", b"0123456789")
    at_limit = Limits(max_bytes=10, total_seconds=5, connect_seconds=5, stall_seconds=5, max_redirects=0)
    below = Limits(max_bytes=9, total_seconds=5, connect_seconds=5, stall_seconds=5, max_redirects=0)
    assert (await opened(at_limit).fetch(url)).data == b"0123456789"
    assert (await failure(opened(below).fetch(url))).reason is Reason.TOO_LARGE


async def test_a_file_that_is_not_the_announced_one_is_rejected(server: FilesServer, opened: Open) -> None:
    caught = await failure(opened().fetch(server.url("photo.png"), sha256="0" * 64))
    assert isinstance(caught, Rejected)
    assert caught.reason is Reason.SOURCE_CHANGED


async def test_nothing_but_the_request_itself_is_sent(server: FilesServer, opened: Open) -> None:
    await opened().fetch(server.url("/redirect/2"))
    for request in server.requests[-3:]:
        assert set(request.headers) == {"host", "accept", "accept-encoding", "connection", "user-agent"}
        assert request.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "[::]"],
)
async def test_this_machine_is_never_reached_however_it_is_written(
    server: FilesServer, opened: Open, host: str
) -> None:
    asked = len(server.requests)
    caught = await failure(opened(networks=()).fetch(f"http://{host}:{server.port}/files/photo.png"))
    assert isinstance(caught, Rejected)
    assert caught.reason is Reason.SOURCE_BLOCKED
    assert len(server.requests) == asked


async def test_a_name_that_changes_its_address_after_the_look_up_gains_nothing(
    server: FilesServer, opened: Open
) -> None:
    asked = len(server.requests)
    downloader = opened(QUICK, networks=("198.51.100.0/24",), resolve=answering("198.51.100.1", "127.0.0.1"))
    url = f"http://rebound.test:{server.port}/files/photo.png"
    first = await failure(downloader.fetch(url))  # goes to 198.51.100.1, where nobody is, and to nowhere else
    assert isinstance(first, Retryable)
    second = await failure(downloader.fetch(url))  # the look-up now says 127.0.0.1, which is judged
    assert second.reason is Reason.SOURCE_BLOCKED
    assert len(server.requests) == asked


async def test_a_redirect_to_a_name_that_has_moved_inside_is_blocked(server: FilesServer, opened: Open) -> None:
    downloader = opened(resolve=answering("127.0.0.1", "10.0.0.1"))
    url = f"http://rebound.test:{server.port}/redirect-to?url=http://rebound.test:{server.port}/files/photo.png"
    asked = len(server.requests)
    assert (await failure(downloader.fetch(url))).reason is Reason.SOURCE_BLOCKED
    assert len(server.requests) == asked + 1


async def test_of_several_addresses_only_the_allowed_are_tried(server: FilesServer, opened: Open) -> None:
    async def resolve(_host: str, _port: int) -> list[str]:
        return ["10.0.0.1", "169.254.169.254", "127.0.0.1"]

    download = await opened(QUICK, resolve=resolve).fetch(f"http://mixed.test:{server.port}/files/photo.png")
    assert download.content_type == "image/png"
    assert server.requests[-1].headers["host"] == f"mixed.test:{server.port}"


async def test_the_next_address_is_tried_when_one_does_not_answer(server: FilesServer, opened: Open) -> None:
    async def resolve(_host: str, _port: int) -> list[str]:
        return ["127.0.0.2", "127.0.0.1"]  # the server listens at the second alone

    assert await opened(resolve=resolve).fetch(f"http://two.test:{server.port}/files/photo.png")


async def test_a_name_that_cannot_be_looked_up_is_unreachable(opened: Open) -> None:
    async def resolve(_host: str, _port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    caught = await failure(opened(resolve=resolve).fetch("http://nowhere.test/"))
    assert isinstance(caught, Retryable)
    assert caught.reason is Reason.SOURCE_UNREACHABLE


async def test_a_look_up_that_hangs_ends_at_the_deadline(opened: Open) -> None:
    async def resolve(_host: str, _port: int) -> list[str]:
        await asyncio.Event().wait()
        return []

    assert (await failure(opened(QUICK, resolve=resolve).fetch("http://slow.test/"))).reason is Reason.SOURCE_TIMEOUT


async def test_a_refused_connection_is_unreachable(opened: Open) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        caught = await failure(opened().fetch(f"http://127.0.0.1:{unused.getsockname()[1]}/"))
    assert isinstance(caught, Retryable)
    assert caught.reason is Reason.SOURCE_UNREACHABLE


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority(dt.datetime.fromtimestamp(time.time(), dt.UTC))


async def test_tls_is_checked_against_the_name_of_the_url_and_not_the_address(
    opened: Open, authority: Authority, tmp_path: Path
) -> None:
    with FilesServer(tls=authority.server_context("files.test", tmp_path)) as secure:
        downloader = opened(resolve=answering("127.0.0.1"), authority=authority)
        assert await downloader.fetch(f"https://files.test:{secure.port}/files/photo.png")
        caught = await failure(downloader.fetch(f"https://other.test:{secure.port}/files/photo.png"))
        assert caught.reason is Reason.SOURCE_UNREACHABLE
        assert "Hostname mismatch" in caught.message


async def test_an_unknown_authority_is_not_believed(opened: Open, authority: Authority, tmp_path: Path) -> None:
    with FilesServer(tls=authority.server_context("files.test", tmp_path)) as secure:
        caught = await failure(
            opened(resolve=answering("127.0.0.1")).fetch(f"https://files.test:{secure.port}/files/photo.png")
        )
    assert isinstance(caught, Retryable)
    assert caught.reason is Reason.SOURCE_UNREACHABLE


async def test_a_source_that_stops_in_the_tls_handshake_is_given_up(opened: Open) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        caught = await failure(opened(QUICK).fetch(f"https://127.0.0.1:{mute.getsockname()[1]}/"))
    assert caught.reason is Reason.SOURCE_TIMEOUT
