"""Spans of OpenTelemetry; imported only where a collector is named.

Everything that the SDK would read from the environment is handed to it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Span as OpenTelemetrySpan
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from stream.failures import Failure, Held, Postponed
from stream.tracing.settings import TracingSettings
from stream.tracing.tracer import Kind, Trace

PATH: Final = "/v1/traces"
SEND_SECONDS: Final = 5.0
EVERY_SECONDS: Final = 5.0
QUEUE_SPANS: Final = 4096
BATCH_SPANS: Final = 512
KINDS: Final = {
    Kind.INTERNAL: SpanKind.INTERNAL,
    Kind.SERVER: SpanKind.SERVER,
    Kind.CONSUMER: SpanKind.CONSUMER,
    Kind.PRODUCER: SpanKind.PRODUCER,
    Kind.CLIENT: SpanKind.CLIENT,
}
LIMITS: Final = SpanLimits(max_span_attributes=16, max_events=0, max_links=0, max_span_attribute_length=256)


class Step:
    """One span."""

    def __init__(self, span: OpenTelemetrySpan, context: TraceContextTextMapPropagator) -> None:
        self._span = span
        self._context = context

    @property
    def trace(self) -> Trace:
        """Return what makes another step follow this one."""
        carrier: dict[str, str] = {}
        self._context.inject(carrier, set_span_in_context(self._span))
        return Trace(carrier.get("traceparent", ""), carrier.get("tracestate", ""))


class Spans:
    """A `Tracer` that gives its spans to a processor."""

    def __init__(self, processor: SpanProcessor, *, process: str, version: str, kept_share: float = 1.0) -> None:
        resource = Resource({"service.name": f"attachment-previews-{process}", "service.version": version})
        sampler = ParentBased(TraceIdRatioBased(kept_share))
        self._provider = TracerProvider(sampler, resource, shutdown_on_exit=False, span_limits=LIMITS)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer(process, version)
        self._context = TraceContextTextMapPropagator()

    @contextmanager
    def span(
        self, name: str, kind: Kind = Kind.INTERNAL, *, parent: Trace | None = None, **attributes: str
    ) -> Iterator[Step]:
        """Let a span last as long as its `with`."""
        context = None if parent is None else self._context.extract(parent._asdict())
        with self._tracer.start_as_current_span(
            name,
            context,
            KINDS[kind],
            attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield Step(span, self._context)
            except (Held, Postponed):  # nobody's fault
                raise
            except Exception as error:
                reason = error.reason if isinstance(error, Failure) else type(error).__name__
                span.set_status(Status(StatusCode.ERROR, reason))
                raise

    def close(self) -> None:
        """Send what is still here."""
        self._provider.shutdown()


def exporting(settings: TracingSettings, process: str, version: str) -> Spans:
    """Return a tracer that sends its spans to the collector, from a thread of its own."""
    exporter = OTLPSpanExporter(
        settings.otel_exporter_otlp_endpoint.rstrip("/") + PATH,
        headers=dict(settings.trace_headers),
        timeout=SEND_SECONDS,
    )
    processor = BatchSpanProcessor(
        exporter,
        max_queue_size=QUEUE_SPANS,
        schedule_delay_millis=EVERY_SECONDS * 1000,
        max_export_batch_size=BATCH_SPANS,
        export_timeout_millis=SEND_SECONDS * 1000,
    )
    return Spans(processor, process=process, version=version, kept_share=settings.otel_traces_sampler_arg)
