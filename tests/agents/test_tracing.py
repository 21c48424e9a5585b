"""One trace from the webhook to the result, through two topics, kept in memory by OpenTelemetry's own exporter."""

from collections.abc import Sequence
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from stream.failures import Reason, Refused, Retryable
from stream.messages import Preview, decode_preview, encode
from stream.records.attachments import record_of
from stream.records.headers import as_dict
from stream.tracing import UNTRACED, Tracer
from stream.tracing.spans import Spans
from tests.agents.test_link import Bench as LinkBench
from tests.agents.test_render import Bench as RenderBench
from tests.stream.test_bridge_app import FILE, JSON, client_of

SENDERS = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01", "tracestate": "vendor=1"}


class Traced:
    """Spans of all processes, as a collector would get them."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.tracer = Spans(SimpleSpanProcessor(self._exporter), process="tests", version="1")

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        return self._exporter.get_finished_spans()

    def named(self, name: str) -> ReadableSpan:
        (found,) = [span for span in self.spans if span.name == name]
        return found

    def parent_of(self, name: str) -> str:
        parent = self.named(name).parent
        names = {span.context.span_id: span.name for span in self.spans}
        return "" if parent is None else names.get(parent.span_id, "somebody else")


@pytest.fixture
def traced() -> Traced:
    return Traced()


async def accepted(traced: Traced, headers: dict[str, str]) -> tuple[bytes, dict[str, bytes]]:
    """Post a webhook; return value and headers of its record."""
    client = client_of(tracer=traced.tracer)
    assert (await client.post(headers=JSON | headers)).status == 202
    outgoing = record_of(client.topic.taken[0], client.topic.arrivals[0])
    return outgoing.value, as_dict(outgoing.headers)


def render_bench(tracer: Tracer) -> RenderBench:
    bench = RenderBench(tracer)
    bench.web.answers[FILE["attachmentUrl"]] = b"png bytes"
    return bench


async def rendered(traced: Traced, value: bytes, headers: dict[str, bytes]) -> tuple[Preview, dict[str, bytes]]:
    bench = render_bench(traced.tracer)
    await bench.world.run(bench.agent, value, headers, "attachments")
    (sent,) = bench.world.to("previews")
    return decode_preview(sent.value or b""), sent.headers


async def test_one_trace_leads_from_the_senders_own_to_the_result(traced: Traced) -> None:
    value, headers = await accepted(traced, SENDERS)
    preview, headers = await rendered(traced, value, headers)
    bench = LinkBench(tracer=traced.tracer)
    bench.store.objects[preview.object_key] = b"webp"
    await bench.world.run(bench.agent, encode(preview), headers, "previews")
    (result,) = bench.world.to("results")
    assert {f"{span.context.trace_id:032x}" for span in traced.spans} == {"a" * 32}
    assert result.headers["traceparent"].split(b"-")[1] == b"a" * 32
    assert result.headers["tracestate"] == b"vendor=1"
    assert traced.parent_of("POST /webhooks/genesys/attachments") == "somebody else"
    for span, parent in {
        "send attachments": "POST /webhooks/genesys/attachments",
        "process attachments": "send attachments",
        "download": "process attachments",
        "render": "process attachments",
        "store": "process attachments",
        "process previews": "process attachments",
        "link": "process previews",
        "post": "link",
    }.items():
        assert traced.parent_of(span) == parent


async def test_a_trace_that_nobody_began_begins_at_the_webhook(traced: Traced) -> None:
    _, headers = await accepted(traced, {})
    assert traced.parent_of("POST /webhooks/genesys/attachments") == ""
    trace_id = f"{traced.named('send attachments').context.trace_id:032x}"
    assert headers["traceparent"].decode().split("-")[1] == trace_id


async def test_what_a_sender_does_not_keep_is_not_kept_here(traced: Traced) -> None:
    _, headers = await accepted(traced, {"traceparent": f"00-{'a' * 32}-{'b' * 16}-00"})
    assert traced.spans == ()
    assert headers["traceparent"].startswith(f"00-{'a' * 32}".encode())
    assert headers["traceparent"].endswith(b"-00")


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (Refused(Reason.STORAGE_REFUSED, "a secret text"), "storage_refused"),
        (Retryable(Reason.STORAGE_FULL, "a secret text"), "storage_full"),
        (RuntimeError("a secret text"), "RuntimeError"),
    ],
)
async def test_a_stage_that_fails_tells_its_reason_and_no_text(traced: Traced, failure: Exception, reason: str) -> None:
    bench = render_bench(traced.tracer)
    bench.store.failing = failure
    value, headers = await accepted(traced, SENDERS)
    await bench.world.run(bench.agent, value, headers, "attachments")
    assert traced.named("store").status.description == reason
    assert "secret" not in "".join(span.to_json() for span in traced.spans)
    carried: list[Any] = [letter.headers for letter in bench.world.dead_letters()]
    carried += [as_dict(row.headers) for row in bench.world.waiting().values() if row.topic == "attachments"]
    (kept,) = carried
    assert kept["traceparent"].split(b"-")[1] == b"a" * 32


async def test_a_dead_letter_tells_the_trace_of_what_did_not_decode() -> None:
    bench = RenderBench()
    await bench.world.run(bench.agent, b"no attachment", {"traceparent": SENDERS["traceparent"].encode()})
    (letter,) = bench.world.to("dead-letters")
    assert letter.headers["traceparent"] == SENDERS["traceparent"].encode()


async def test_without_tracing_the_senders_context_goes_through_as_it_came() -> None:
    bench = render_bench(UNTRACED)
    client = client_of()
    await client.post(headers=JSON | SENDERS)
    outgoing = record_of(client.topic.taken[0], client.topic.arrivals[0])
    await bench.deliver(client.topic.taken[0], as_dict(outgoing.headers))
    for topic in ("previews", "results"):
        headers = bench.world.to(topic)[0].headers
        assert {name: headers[name].decode() for name in SENDERS} == SENDERS
