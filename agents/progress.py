"""How far one record has come, and how long each stage took."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import msgspec

from stream.failures import Stage
from stream.messages import StageTimings
from stream.telemetry import Metrics
from stream.tracing import UNTRACED, Kind, Span, Tracer


class Progress:
    """The current stage and the timings of one job."""

    def __init__(self, stage: Stage, metrics: Metrics, clock: Callable[[], float], tracer: Tracer = UNTRACED) -> None:
        self._tracer = tracer
        self.stage = stage
        self._metrics = metrics
        self._clock = clock
        self._timings_ms: dict[str, float] = {}

    @contextmanager
    def at(self, stage: Stage) -> Iterator[None]:
        """Enter a stage; its wall time is noted when it ends well, and it stays the current one when it fails."""
        self.stage = stage
        started = self._clock()
        with self._tracer.span(stage):
            yield
        seconds = self._clock() - started
        self._metrics.stage_seconds.labels(stage).observe(seconds)
        self._timings_ms[f"{stage}_ms"] = round(seconds * 1000, 1)

    def calling(self, name: str) -> AbstractContextManager[Span]:
        """Return the span of a call within the stage that is worth telling apart in a trace."""
        return self._tracer.span(name, Kind.CLIENT)

    def timings(self, before: StageTimings | None = None) -> StageTimings:
        """Return the timings, those of an earlier agent included."""
        return msgspec.structs.replace(before or StageTimings(), **self._timings_ms)
