import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from stream.arrival import Arrival, EventSource
from stream.authenticity import Guard
from stream.authenticity.signatures import HubSignature
from stream.bridge.access_log import AccessLog
from stream.bridge.app import BridgeApp
from stream.bridge.bodies import Bodies, BodyLimits
from stream.bridge.intake import PATHS, Intake
from stream.failures import Reason, Retryable
from stream.messages import Attachment
from stream.telemetry import Health, Metrics
from stream.token_bucket import TokenBucket
from stream.tracing import UNTRACED, Tracer
from tests.stream.conformance import conforms

WEBHOOK_PATH = PATHS[EventSource.TUTORIAL]
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
        assert self.headers[b"content-type"] == b"application/problem+json"
        problem = self.json
        assert problem.keys() == {"type", "title", "status", "detail", "code"}
        assert (problem["type"], problem["title"]) == ("about:blank", HTTPStatus(self.status).phrase)
        assert (problem["status"], bool(problem["detail"])) == (self.status, True)
        code: str = problem["code"]
        return code


@dataclass
class Client:
    """Speaks ASGI to the app as a server does."""

    app: BridgeApp
    topic: Topic
    health: Health
    written: list[bytes]
    chunks_taken: int = 0

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in b"".join(self.written).splitlines()]

    async def post(
        self,
        body: bytes = BODY,
        headers: dict[str, str] = JSON,
        chunk_bytes: int = 1 << 30,
        source: EventSource = EventSource.TUTORIAL,
    ) -> Reply:
        chunks = [body[start : start + chunk_bytes] for start in range(0, len(body), chunk_bytes)] or [b""]
        return await self.request("POST", PATHS[source], headers, self._sent(chunks))

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
        scope = {"type": "http", "method": method, "path": path, "headers": raw, "client": ("192.0.2.7", 5000)}
        await self.app(scope, receive, send)
        assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"][: len(sent)]
        if not sent:
            return Reply(0, {}, b"")
        reply = Reply(sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"])
        told = {name.decode(): value.decode() for name, value in reply.headers.items()}
        conforms(method, path, reply.status, told, reply.body)
        return reply

    async def _sent(self, chunks: Sequence[bytes]) -> AsyncIterator[Any]:
        for index, chunk in enumerate(chunks):
            yield {"type": "http.request", "body": chunk, "more_body": index + 1 < len(chunks)}
        yield {"type": "http.disconnect"}


def client_of(
    *,
    guard: Guard | None = None,
    per_second: float = 0,
    body_seconds: float = 5,
    held_bytes: int = 1 << 20,
    own_hosts: Sequence[str] = (),
    documents: Mapping[str, bytes] | None = None,
    starting_with: Sequence[str] = (),
    tracer: Tracer = UNTRACED,
) -> Client:
    topic = Topic()
    health = Health(lambda: 0.0, starting_with=starting_with)
    written: list[bytes] = []
    log = AccessLog(
        wanted="all",
        level="INFO",
        format_="json",
        write=written.append,
        schedule=asyncio.get_running_loop().call_soon,
        clock=lambda: NOW,
    )
    bucket = TokenBucket(per_second, lambda: 0.0) if per_second else None
    app = BridgeApp(
        intakes=[Intake(source, guard=guard, bucket=bucket, own_hosts=own_hosts) for source in EventSource],
        bodies=Bodies(BodyLimits(body_bytes=2048, seconds=body_seconds, held_bytes=held_bytes)),
        sender=topic,
        metrics=Metrics(CollectorRegistry()),
        health=health,
        access_log=log,
        clock=lambda: NOW,
        timer=lambda: 0.0,
        new_id=lambda: "made",
        documents=documents or {},
        tracer=tracer,
    )
    return Client(app, topic, health, written)


@pytest.fixture
async def client() -> Client:
    return client_of()


async def test_an_attachment_is_answered_202_with_its_event_id_once_it_is_sent(client: Client) -> None:
    reply = await client.post()
    (taken,) = client.topic.taken
    assert (reply.status, reply.json) == (202, {"status": "queued", "eventId": taken.event_id})
    (arrival,) = client.topic.arrivals
    assert arrival == Arrival(source=EventSource.TUTORIAL, request_id="made", received_at=NOW)
    assert taken.attachment_url == FILE["attachmentUrl"]


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


async def test_a_body_that_does_not_come_to_its_end_is_refused_and_sends_nothing(client: Client) -> None:
    async def gone() -> AsyncIterator[Any]:
        yield {"type": "http.request", "body": BODY, "more_body": True}
        yield {"type": "http.disconnect"}

    reply = await client.request("POST", WEBHOOK_PATH, JSON, gone())
    assert (reply.status, reply.error_code, reply.headers[b"connection"]) == (400, "incomplete_body", b"close")
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
    client = client_of(guard=Guard([HubSignature([b"shared"])]))
    signature = base64.b64encode(hmac.new(b"shared", BODY, hashlib.sha256).digest()).decode()
    signed = await client.post(headers=JSON | {"x-hub-signature-256": f"sha256={signature}"}, chunk_bytes=7)
    unsigned = await client.post()
    wrong = await client.post(BODY + b" ", headers=JSON | {"x-hub-signature-256": f"sha256={signature}"})
    assert [reply.status for reply in (signed, unsigned, wrong)] == [202, 401, 401]
    assert (unsigned.error_code, wrong.error_code) == ("signature_missing", "signature_wrong")
    assert b"x-hub-signature-256" in wrong.headers[b"www-authenticate"]
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


async def test_readiness_is_a_metric_for_a_bridge_that_is_sent_no_webhooks_refuses_none(client: Client) -> None:
    assert "previews_bridge_ready 1.0" in (await client.get("/metrics")).body.decode()
    client.health.not_ready("kafka", "no answer")
    assert "previews_bridge_ready 0.0" in (await client.get("/metrics")).body.decode()


async def test_a_head_request_gets_the_headers_alone(client: Client) -> None:
    whole = await client.get("/healthz")
    reply = await client.get("/healthz", "HEAD")
    assert (reply.status, reply.headers, reply.body) == (200, whole.headers, b"")


async def test_answers_are_counted_by_status(client: Client) -> None:
    await client.post()
    await client.post(b"not json")
    text = (await client.get("/metrics")).body.decode()
    assert 'previews_bridge_requests_total{source="tutorial",status="202"} 1.0' in text
    assert 'previews_bridge_requests_total{source="tutorial",status="400"} 1.0' in text


async def test_webhooks_are_timed_and_their_bytes_counted_but_no_probes(client: Client) -> None:
    await client.post()
    await client.post(b"not json")
    await client.get("/healthz")
    text = (await client.get("/metrics")).body.decode()
    assert 'previews_bridge_request_seconds_count{source="tutorial"} 2.0' in text
    assert 'previews_bridge_request_seconds_count{source="messages"} 0.0' in text
    assert f'previews_bridge_received_bytes_total{{source="tutorial"}} {len(BODY) + len(b"not json")}.0' in text


async def test_the_bridge_has_started_once_kafka_has_answered() -> None:
    client = client_of(starting_with=["kafka"])
    assert (await client.get("/startupz")).status == 503
    client.health.ready("kafka")
    client.health.not_ready("kafka", "no answer")
    assert (await client.get("/startupz")).status == 200


OPEN_MESSAGE = {
    "id": "message-1",
    "channel": {},
    "conversationId": "conversation-1",
    "content": [{"attachment": {"id": name, "url": f"https://files.example.com/{name}"}} for name in ("a", "b")],
}
MEDIA = {"messages": [{"message": {"id": "message-1"}, "media": [{"id": "file-1", "url": "https://x.example/"}]}]}
NOTIFICATION = {
    "topicName": "v2.detail.events.conversations.messages",
    "eventBody": {"id": "conversation-1", "participants": [{"purpose": "customer", **MEDIA}]},
}
EVENTS = {
    EventSource.TUTORIAL: json.loads(BODY),
    EventSource.OPEN_MESSAGING: OPEN_MESSAGE,
    EventSource.NOTIFICATIONS: NOTIFICATION,
    EventSource.MESSAGES: {"conversationId": "conversation-1", "messageId": "message-1"},
}


@pytest.mark.parametrize("source", EventSource)
async def test_each_source_has_its_path_and_the_tutorials_takes_every_kind(client: Client, source: EventSource) -> None:
    body = json.dumps(EVENTS[source]).encode()
    own = await client.post(body, source=source)
    common = await client.post(body)
    assert (own.status, own.json) == (202, common.json)
    assert [arrival.source for arrival in client.topic.arrivals] == [source, source]


async def test_a_source_over_its_rate_is_answered_429_and_told_when_to_come_again() -> None:
    client = client_of(per_second=0.3)
    first, second = await client.post(), await client.post()
    assert (first.status, second.status, second.error_code) == (202, 429, "too_many_requests")
    assert second.headers[b"retry-after"] == b"4"
    assert len(client.topic.taken) == 1


async def test_strangers_spend_nothing_of_the_rate() -> None:
    client = client_of(guard=Guard([HubSignature([b"shared"])]), per_second=1)
    signature = base64.b64encode(hmac.digest(b"shared", BODY, "sha256")).decode()
    for _ in range(3):
        assert (await client.post()).status == 401
    assert (await client.post(headers=JSON | {"x-hub-signature-256": f"sha256={signature}"})).status == 202


async def test_unfinished_bodies_that_hold_too_much_together_are_refused_and_let_go() -> None:
    client = client_of(held_bytes=1000)
    assert (await client.post(BODY.ljust(2048), chunk_bytes=2048)).status == 202
    reply = await client.post(BODY.ljust(2048), chunk_bytes=600)
    assert (reply.status, reply.error_code, reply.headers[b"retry-after"]) == (503, "overloaded", b"1")
    assert (await client.post(BODY.ljust(900), chunk_bytes=300)).status == 202


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("4bf92f3577b34da6", "4bf92f3577b34da6"),
        ("a" * 128, "a" * 128),
        ("a" * 129, "made"),
        ("", "made"),
        ("two words", "made"),
        ('"}\n{"', "made"),
        ("\xff", "made"),
    ],
)
async def test_a_sane_request_id_comes_back_and_any_other_is_replaced(client: Client, given: str, told: str) -> None:
    reply = await client.post(headers=JSON | {"x-request-id": given})
    refused = await client.post(b"not json", headers=JSON | {"x-request-id": given})
    await asyncio.sleep(0)
    assert reply.headers[b"x-request-id"] == refused.headers[b"x-request-id"] == told.encode()
    assert [arrival.request_id for arrival in client.topic.arrivals] == [told]
    assert [line["request_id"] for line in client.lines] == [told, told]


async def test_the_trace_is_handed_on_as_it_came_unless_it_is_no_text(client: Client) -> None:
    await client.post(headers=JSON | {"traceparent": "00-1-2-01", "tracestate": "a=1,b=2"})
    await client.post(headers=JSON | {"traceparent": "\xff", "tracestate": "x" * 600})
    assert [(arrival.traceparent, arrival.tracestate) for arrival in client.topic.arrivals] == [
        ("00-1-2-01", "a=1,b=2"),
        ("", ""),
    ]


async def test_each_webhook_has_one_line_with_its_event_ids_and_its_end(client: Client) -> None:
    await client.post(json.dumps(OPEN_MESSAGE).encode())
    await client.post(b"[]", source=EventSource.MESSAGES)
    client.topic.failure = Retryable(Reason.KAFKA_UNAVAILABLE, "Kafka is away")
    await client.post()
    await asyncio.sleep(0)
    queued, refused, unavailable = client.lines
    assert queued == {
        "at": "2023-11-14T22:13:20.500+00:00",
        "level": "info",
        "event": "webhook.answered",
        "logger": "stream.bridge.access_log",
        "status": 202,
        "path": WEBHOOK_PATH,
        "request_id": "made",
        "peer": "192.0.2.7",
        "duration_ms": 0.0,
        "source": "tutorial",
        "event_ids": ["message-1:a", "message-1:b"],
        "conversation_id": "conversation-1",
    }
    assert (refused["status"], refused["code"], refused["source"]) == (422, "wrong_shape", "messages")
    assert (unavailable["level"], unavailable["code"]) == ("warning", "kafka_unavailable")
    assert unavailable["why"] == "Kafka is away"


async def test_probes_have_no_line_and_an_unknown_path_has_a_short_one(client: Client) -> None:
    await client.get("/healthz")
    await client.get("/" + "\udcff" * 500)
    await asyncio.sleep(0)
    (line,) = client.lines
    assert (line["status"], line["code"], len(line["path"])) == (404, "not_found", 200)


async def test_a_retiring_bridge_is_not_ready_but_takes_webhooks_and_ends_their_connections(client: Client) -> None:
    assert b"connection" not in (await client.post()).headers
    client.app.retire()
    reply = await client.post()
    assert (reply.status, reply.headers[b"connection"]) == (202, b"close")
    assert (await client.get("/readyz")).status == 503


HEADERS = st.dictionaries(
    st.sampled_from(
        ["content-type", "content-length", "content-encoding", "expect", "x-request-id", "traceparent", "tracestate"]
    )
    | st.text(st.characters(codec="ascii", categories=["Ll"]), min_size=1),
    st.text(st.characters(max_codepoint=255)) | st.sampled_from(["application/json", "identity", "0"]),
    max_size=4,
)


@given(
    method=st.sampled_from(["POST", "GET", "HEAD", "PUT", "BREW"]),
    path=st.sampled_from([*PATHS.values(), "/startupz", "/healthz", "/readyz", "/metrics"]) | st.text(),
    headers=HEADERS,
    parts=st.lists(st.binary() | st.sampled_from([BODY, b"{}", b"[]"]), min_size=1, max_size=3),
)
def test_no_request_is_answered_500_or_not_at_all(
    method: str, path: str, headers: dict[str, str], parts: list[bytes]
) -> None:
    async def status() -> int:
        client = client_of()
        messages = sent(parts)
        reply = await client.request(method, path, headers, messages)
        return reply.status

    assert asyncio.run(status()) in {200, 202, 400, 404, 405, 413, 415, 422}


async def sent(parts: list[bytes]) -> AsyncIterator[Any]:
    for number, part in enumerate(parts, start=1):
        yield {"type": "http.request", "body": part, "more_body": number < len(parts)}
