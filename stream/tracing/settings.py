"""Where traces go; the names of the variables are OpenTelemetry's own."""

from collections.abc import Mapping
from typing import Annotated, Final

from msgspec import Meta

from stream.kafka.broker_settings import BrokerSettings, HttpUrl
from stream.variables import Secret, wrong

HEADERS: Final = "OTEL_EXPORTER_OTLP_HEADERS"
HEADERS_FORM: Final = "name=value, several separated by commas, or empty"


class TracingSettings(BrokerSettings, frozen=True, kw_only=True):
    """Tracing, which is off until a collector is named."""

    otel_exporter_otlp_endpoint: Annotated[
        HttpUrl,
        Meta(
            description="OpenTelemetry collector that takes traces by OTLP over HTTP, e.g. http://collector:4318; "
            "empty: no tracing; needs the extra `tracing`"
        ),
    ] = ""
    otel_exporter_otlp_headers: Annotated[
        Secret, Meta(description="Headers of what is sent there, such as a token", extra={"form": HEADERS_FORM})
    ] = Secret("")
    otel_traces_sampler_arg: Annotated[
        float,
        Meta(ge=0, le=1, description="Part of the traces that begin here which are kept; a sender's own choice counts"),
    ] = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.trace_headers

    @property
    def trace_headers(self) -> Mapping[str, str]:
        """The headers by name."""
        pairs = [pair.partition("=") for pair in self.otel_exporter_otlp_headers.reveal().split(",") if pair.strip()]
        if not all(name.strip() and equals for name, equals, _ in pairs):
            raise wrong(HEADERS, "***", HEADERS_FORM)
        return {name.strip(): value.strip() for name, _, value in pairs}
