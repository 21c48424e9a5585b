import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from stream.arrival import Arrival
from stream.bridge.app import WEBHOOK_PATH, BridgeApp, Limits
from stream.failures import Reason, Retryable
from stream.messages import Attachment
from stream.settings import Secret
from stream.telemetry import Health, Metrics

NOW = 1_700_000_000.5
FILE = {"conversationId": "conversation-1", "attachmentUrl": "https://files.example.com/a.png", "fileName": "a.png"}
BODY = json.dumps({"event": "webchat:attachment", "data": FILE}).encode()
JSON = {"content-type": "application/json"}


@dataclass
class Topic:
    """Takes attachments, unless it is told to fail."""

    taken: list[Attachment] = field(default_factory=list)
    arrivals: list[Arrival] = field(default_factory=list)
    failure: Exception | None = None

    async def send(self, attachments: Sequence[Attachment], arrival: Arrival) -> None:
        if self.failure is not None:
            raise self.failure
        self.arrivals.append(arrival)
        self.taken.extend(attachments)


@dataclass
class Reply:
    status: int
    headers: dict[bytes, bytes]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error_code(self) -> str:
        assert self.headers[b"content-type"] == b"application/json"
        assert self.json["error"]["message"]
        code: str = self.json["error"]["code"]
        return code


@dataclass
class Client:
    """Speaks ASGI to the app as a server does."""

    app: BridgeApp
    topic: Topic
    health: Health
    chunks_taken: int = 0

    async def post(self, body: bytes = BODY, headers: dict[str, str] = JSON, chunk_bytes: int = 1 << 30) -> Reply:
        chunks = [body[start : start + chunk_bytes] for start in range(0, len(body), chunk_bytes)] or [b""]
        return await self.request("POST", WEBHOOK_PATH, headers, self._sent(chunks))

    async def get(self, path: str, method: str = "GET") -> Reply:
        return await self.request(method, path, {}, self._sent([b""]))

    async def request(self, method: str, path: str, headers: dict[str, str], messages: AsyncIterator[Any]) -> Reply:
        sent: list[Any] = []

        async def receive() -> Any:
            self.chunks_taken += 1
            return await anext(messages)

        async def send(message: Any) -> None:
            sent.append(message)

        raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        await self.app({"type": "http", "method": method, "path": path, "headers": raw}, receive, send)
        assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"][: len(sent)]
        if not sent:
            return Reply(0, {}, b"")
        return Reply(sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"])

    async def _sent(self, chunks: Sequence[bytes]) -> AsyncIterator[Any]:
        for index, chunk in enumerate(chunks):
            yield {"type": "http.request", "body": chunk, "more_body": index + 1 < len(chunks)}
        yield {"type": "http.disconnect"}


def client_of(*, secret: str = "", body_seconds: float = 5, own_hosts: Sequence[str] = ()) -> Client:
    topic = Topic()
    health = Health(lambda: 0.0)
    app = BridgeApp(
        sender=topic,
        metrics=Metrics(CollectorRegistry()),
        health=health,
        clock=lambda: NOW,
        limits=Limits(body_bytes=2048, body_seconds=body_seconds),
        secret=Secret(secret),
        own_hosts=own_hosts,
    )
    return Client(app, topic, health)


@pytest.fixture
def client() -> Client:
    return client_of()


async def test_an_attachment_is_answered_202_with_its_event_id_once_it_is_sent(client: Client) -> None:
    reply = await client.post()
    (taken,) = client.topic.taken
    assert (reply.status, reply.json) == (202, {"status": "queued", "eventId": taken.event_id})
    (arrival,) = client.topic.arrivals
    assert (taken.attachment_url, arrival.received_at) == (FILE["attachmentUrl"], NOW)


async def test_several_attachments_of_one_event_are_all_named(client: Client) -> None:
    files = [{"attachment": {"id": name, "url": f"https://files.example.com/{name}"}} for name in ("a", "b")]
    message = {"id": "message-1", "channel": {}, "conversationId": "conversation-1", "content": files}
    reply = await client.post(json.dumps(message).encode())
    event_ids = [attachment.event_id for attachment in client.topic.taken]
    assert reply.json == {"status": "queued", "eventId": event_ids[0], "eventIds": event_ids}
    assert event_ids == ["message-1:a", "message-1:b"]


async def test_another_event_is_answered_200_and_not_sent(client: Client) -> None:
    reply = await client.post(b'{"event": "webchat:typing"}')
    assert (reply.status, reply.json) == (200, {"status": "ignored", "reason": "other_event"})
    assert client.topic.taken == []


async def test_a_file_of_an_own_host_is_ignored_in_any_case_of_letters() -> None:
    client = client_of(own_hosts=["Files.Example.com"])
    assert (await client.post()).json == {"status": "ignored", "reason": "own_preview"}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"not json", 400, "not_json"),
        (b"", 400, "not_json"),
        (b"[]", 422, "wrong_shape"),
        (b'{"event": "webchat:attachment"}', 422, "wrong_shape"),
    ],
)
async def test_a_malformed_body_is_refused_with_a_json_error(
    client: Client, body: bytes, status: int, code: str
) -> None:
    reply = await client.post(body)
    assert (reply.status, reply.error_code) == (status, code)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonp"])
async def test_another_content_type_is_refused(client: Client, kind: str) -> None:
    reply = await client.post(headers={"content-type": kind})
    assert (reply.status, reply.error_code) == (415, "unsupported_media_type")
    assert client.chunks_taken == 0


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "Application/JSON", "application/cloudevents+json"]
)
async def test_every_spelling_of_json_is_taken(client: Client, kind: str) -> None:
    assert (await client.post(headers={"content-type": kind})).status == 202


async def test_a_missing_content_type_is_taken_as_json(client: Client) -> None:
    assert (await client.post(headers={})).status == 202


async def test_a_compressed_body_is_refused(client: Client) -> None:
    assert (await client.post(headers=JSON | {"content-encoding": "gzip"})).status == 415


async def test_a_body_that_declares_to_be_too_large_is_refused_when_the_sender_has_spoken(client: Client) -> None:
    reply = await client.post(b"x" * 100_000, JSON | {"content-length": "100000"}, chunk_bytes=10_000)
    assert (reply.status, reply.error_code, client.chunks_taken) == (413, "too_large", 10)


async def test_a_sender_that_asks_before_it_sends_too_much_is_refused_unread(client: Client) -> None:
    reply = await client.post(headers=JSON | {"content-length": "10000000", "expect": "100-continue"})
    assert (reply.status, reply.error_code, client.chunks_taken) == (413, "too_large", 0)


async def test_a_body_without_a_length_is_refused_when_the_sender_has_spoken(client: Client) -> None:
    reply = await client.post(b"x" * 100_000, chunk_bytes=10_000)
    assert (reply.status, reply.error_code, client.chunks_taken) == (413, "too_large", 10)


async def test_a_body_without_end_is_refused_all_the_same(client: Client) -> None:
    reply = await client.post(b"x" * 50_000_000, chunk_bytes=1_000_000)
    assert (reply.status, reply.error_code, client.chunks_taken) == (413, "too_large", 35)


async def test_a_body_of_exactly_the_limit_is_taken(client: Client) -> None:
    assert (await client.post(BODY.ljust(2048), chunk_bytes=512)).status == 202


async def never(*_: object) -> AsyncIterator[Any]:
    yield {"type": "http.request", "body": BODY[:5], "more_body": True}
    await asyncio.Event().wait()


async def test_a_body_that_comes_too_slowly_is_refused() -> None:
    client = client_of(body_seconds=0.01)
    reply = await client.request("POST", WEBHOOK_PATH, JSON, never())
    assert (reply.status, reply.error_code) == (408, "body_timeout")


async def test_bodies_that_are_still_read_at_the_end_of_a_drain_are_given_up(client: Client) -> None:
    request = asyncio.create_task(client.request("POST", WEBHOOK_PATH, JSON, never()))
    async with asyncio.timeout(5):
        while client.chunks_taken < 2:  # noqa: ASYNC110 - the app sets no event
            await asyncio.sleep(0)
        client.app.stop_reading()
        assert (await request).status == 408


async def test_a_client_that_goes_away_gets_no_answer_and_sends_nothing(client: Client) -> None:
    async def gone() -> AsyncIterator[Any]:
        yield {"type": "http.request", "body": BODY, "more_body": True}
        yield {"type": "http.disconnect"}

    assert (await client.request("POST", WEBHOOK_PATH, JSON, gone())).status == 0
    assert client.topic.taken == []


@pytest.mark.parametrize("reason", [Reason.KAFKA_UNAVAILABLE, Reason.KAFKA_QUEUE_FULL])
async def test_what_kafka_does_not_take_is_answered_503_with_retry_after(client: Client, reason: Reason) -> None:
    client.topic.failure = Retryable(reason, "Kafka is away", retry_after_seconds=4.2)
    reply = await client.post()
    assert (reply.status, reply.error_code, reply.headers[b"retry-after"]) == (503, reason, b"5")


async def test_a_draining_bridge_refuses_webhooks_and_readiness_but_lives(client: Client) -> None:
    client.app.drain()
    reply = await client.post()
    assert (reply.status, reply.error_code, reply.headers[b"retry-after"]) == (503, "shutting_down", b"1")
    assert (await client.get("/readyz")).status == 503
    assert (await client.get("/healthz")).status == 200


async def test_an_error_of_ours_is_answered_500_without_its_text(client: Client) -> None:
    client.topic.failure = RuntimeError("secret detail")
    reply = await client.post()
    assert (reply.status, reply.error_code) == (500, "internal")
    assert b"secret detail" not in reply.body


async def test_with_a_secret_only_signed_bodies_are_taken() -> None:
    client = client_of(secret="shared")
    signature = base64.b64encode(hmac.new(b"shared", BODY, hashlib.sha256).digest()).decode()
    signed = await client.post(headers=JSON | {"x-hub-signature-256": f"sha256={signature}"}, chunk_bytes=7)
    unsigned = await client.post()
    wrong = await client.post(BODY + b" ", headers=JSON | {"x-hub-signature-256": f"sha256={signature}"})
    assert [reply.status for reply in (signed, unsigned, wrong)] == [202, 401, 401]
    assert (unsigned.error_code, wrong.error_code) == ("signature_missing", "signature_wrong")
    assert len(client.topic.taken) == 1


async def test_an_unknown_path_is_404(client: Client) -> None:
    reply = await client.get("/webhooks")
    assert (reply.status, reply.error_code) == (404, "not_found")


async def test_another_method_is_405_and_names_the_right_one(client: Client) -> None:
    reply = await client.get(WEBHOOK_PATH)
    assert (reply.status, reply.error_code, reply.headers[b"allow"]) == (405, "method_not_allowed", b"POST")
    assert (await client.get("/readyz", "DELETE")).headers[b"allow"] == b"GET, HEAD"


async def test_probes_tell_what_is_wrong(client: Client) -> None:
    assert (await client.get("/readyz")).status == 200
    client.health.not_ready("kafka", "no answer")
    reply = await client.get("/readyz")
    assert (reply.status, reply.json["reasons"]) == (503, {"kafka": "no answer"})
    assert (await client.get("/healthz")).status == 200


async def test_a_head_request_gets_the_headers_alone(client: Client) -> None:
    whole = await client.get("/healthz")
    reply = await client.get("/healthz", "HEAD")
    assert (reply.status, reply.headers, reply.body) == (200, whole.headers, b"")


async def test_answers_are_counted_by_status(client: Client) -> None:
    await client.post()
    await client.post(b"not json")
    text = (await client.get("/metrics")).body.decode()
    assert 'previews_bridge_requests_total{status="202"} 1.0' in text
    assert 'previews_bridge_requests_total{status="400"} 1.0' in text
