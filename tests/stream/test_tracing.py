import subprocess
import sys

import pytest

from stream.settings import KafkaSettings, WrongSettingError, load
from stream.tracing import UNTRACED, Kind, Trace, create_tracer
from tests.harness.collector import collecting

SAMPLED = 1
PARENT = Trace(f"00-{'a' * 32}-{'b' * 16}-01")


def settings(**environ: str) -> KafkaSettings:
    return load(KafkaSettings, environ)


def test_without_a_collector_nothing_is_traced() -> None:
    tracer = create_tracer(settings(), "bridge", "1")
    assert tracer is UNTRACED
    with tracer.span("anything", Kind.SERVER, parent=PARENT) as span:
        assert span.trace == Trace("", "")
    tracer.close()


def test_without_a_collector_not_even_the_library_is_loaded() -> None:
    program = (
        "import sys, agents.process.worker, stream.bridge.process\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry.sdk')])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_spans_reach_the_collector_with_the_headers_of_the_settings() -> None:
    with collecting() as server:
        tracer = create_tracer(
            settings(
                OTEL_EXPORTER_OTLP_ENDPOINT=f"{server.url}/",
                OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer abc=, x-tenant = one",
            ),
            "worker",
            "1.2",
        )
        with tracer.span("process attachments", Kind.CONSUMER, parent=PARENT) as span:
            assert span.trace.traceparent.startswith(f"00-{'a' * 32}-")
            assert span.trace.traceparent != PARENT.traceparent
        tracer.close()
    ((path, authorization, body),) = server.taken
    assert (path, authorization) == ("/v1/traces", "Bearer abc=")
    (resource,) = body.resource_spans
    told = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
    assert told["service.name"] == "attachment-previews-worker"
    ((sent,),) = (scope.spans for scope in resource.scope_spans)
    assert (sent.name, sent.trace_id.hex(), sent.parent_span_id.hex()) == ("process attachments", "a" * 32, "b" * 16)


def test_of_the_traces_that_begin_here_the_settings_keep_a_part() -> None:
    with collecting() as server:
        tracer = create_tracer(
            settings(OTEL_EXPORTER_OTLP_ENDPOINT=server.url, OTEL_TRACES_SAMPLER_ARG="0"), "bridge", "1"
        )
        with tracer.span("begun here", parent=Trace()) as span:
            assert not int(span.trace.traceparent[-2:], 16) & SAMPLED
        tracer.close()
    assert server.taken == []


def test_a_collector_without_the_extra_is_a_wrong_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "stream.tracing.spans", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(WrongSettingError, match=r"OTEL_EXPORTER_OTLP_ENDPOINT=.* extra `tracing` is installed"):
        create_tracer(settings(OTEL_EXPORTER_OTLP_ENDPOINT="http://collector:4318"), "bridge", "1")


@pytest.mark.parametrize("headers", ["a token", "=value", "a=b,c"])
def test_headers_that_are_none_are_refused_without_being_shown(headers: str) -> None:
    with pytest.raises(WrongSettingError, match=r"OTEL_EXPORTER_OTLP_HEADERS='\*\*\*' is wrong"):
        settings(OTEL_EXPORTER_OTLP_HEADERS=headers)
