import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from stream.settings import KafkaSettings, WrongSettingError, load
from stream.tracing import UNTRACED, Kind, Trace, create_tracer

SAMPLED = 1
PARENT = Trace(f"00-{'a' * 32}-{'b' * 16}-01")


class Collector(ThreadingHTTPServer):
    """Takes traces as an OpenTelemetry collector does."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.taken: list[tuple[str, str, bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.taken.append((self.path, self.headers["authorization"], body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@contextmanager
def collector() -> Iterator[Collector]:
    server = Collector()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


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
    with collector() as server:
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
    (resource,) = ExportTraceServiceRequest.FromString(body).resource_spans
    told = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
    assert told["service.name"] == "attachment-previews-worker"
    ((sent,),) = (scope.spans for scope in resource.scope_spans)
    assert (sent.name, sent.trace_id.hex(), sent.parent_span_id.hex()) == ("process attachments", "a" * 32, "b" * 16)


def test_of_the_traces_that_begin_here_the_settings_keep_a_part() -> None:
    with collector() as server:
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
