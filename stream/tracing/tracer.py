"""What the stages ask of tracing, and the answer where it is off."""

from contextlib import AbstractContextManager
from enum import StrEnum
from typing import Final, NamedTuple, Protocol, Self

from stream.tracing.settings import TracingSettings
from stream.variables import wrong


class Kind(StrEnum):
    """What a span is to the spans before and behind it."""

    INTERNAL = "internal"
    SERVER = "server"
    CONSUMER = "consumer"
    PRODUCER = "producer"
    CLIENT = "client"


class Trace(NamedTuple):
    """The context of a trace as W3C writes it, empty where there is none."""

    traceparent: str = ""
    tracestate: str = ""


class Span(Protocol):
    """One step of a trace."""

    @property
    def trace(self) -> Trace:
        """Return what makes another step, elsewhere, follow this one; empty where nothing is traced."""


class Tracer(Protocol):
    """Makes spans; to be closed once all have ended."""

    def span(
        self, name: str, kind: Kind = Kind.INTERNAL, *, parent: Trace | None = None, **attributes: str
    ) -> AbstractContextManager[Span]:
        """Return a span that lasts as long as its `with`; without a parent it follows the one around it.

        A `Failure` that ends it is told with its reason; no message, which may quote a file, goes along.
        """

    def close(self) -> None:
        """Send what is still here, for a bounded time; blocks."""


class Untraced:
    """Makes no spans; it is its own and only one."""

    trace = Trace()

    def span(self, name: str, kind: Kind = Kind.INTERNAL, *, parent: Trace | None = None, **attributes: str) -> Self:
        """Return nothing in particular."""
        del name, kind, parent, attributes
        return self

    def close(self) -> None:
        """Do nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Let what is raised pass."""


UNTRACED: Final = Untraced()


def create_tracer(settings: TracingSettings, process: str, version: str) -> Tracer:
    """Return the tracer that the settings ask for; `process` names who traces.

    Raises:
        WrongSettingError: A collector is named and the extra `tracing` is not installed.
    """
    endpoint = settings.otel_exporter_otlp_endpoint
    if not endpoint:
        return UNTRACED
    try:
        from stream.tracing.spans import exporting  # noqa: PLC0415 - an extra: who traces nothing need not have it
    except ImportError as error:
        allowed = "empty, or a collector's address once the package's extra `tracing` is installed"
        raise wrong("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint, allowed) from error
    return exporting(settings, process, version)
