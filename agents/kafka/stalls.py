"""Stalls: partitions whose records end no more, although nothing makes them wait.

Time counts only while the partition may work: not while its lane is held (circuit, Retry-After, a refused login) or a
record of it waits for Kafka. It adds up over such pauses, so a job that hangs is found even where its lane is told to
wait every few seconds.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from faust.types import TP

from agents.kafka.lane import MOST_RECORDS
from agents.settings import WorkerSettings
from stream.retry import IN_PLACE_TRIES


def longest_seconds(settings: WorkerSettings) -> float:
    """Return for how long a partition may make no progress while nothing holds it up.

    Unless it is set: the oldest record of a partition may stand behind all others in its lane, and each of them may
    take its whole time, above all for rendering, for which they queue up before the children.
    """
    if settings.liveness_stalled_seconds > 0:
        return settings.liveness_stalled_seconds
    records = max(MOST_RECORDS, settings.render_concurrency, settings.link_concurrency)
    rendering_seconds = records * settings.render_timeout_seconds / max(1, settings.render_children)
    sizes = 1 + len(settings.render_extra_edges_px)
    calls = (settings.download_timeout_seconds, settings.genesys_timeout_seconds, sizes * settings.s3_timeout_seconds)
    rounds = records / min(settings.render_concurrency, settings.link_concurrency)
    return rendering_seconds + rounds * IN_PLACE_TRIES * sum(calls)


@dataclass(slots=True)
class _Stall:
    position: int
    looked_at: float
    seconds: float = 0.0


class Stalls:
    """For how long partitions have made no progress; `clock` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._stalls: dict[TP, _Stall] = {}

    def look(self, tp: TP, position: int | None, *, waits: bool) -> float:
        """Return for how long the partition's oldest record has not ended; to be called again and again.

        Args:
            tp: The partition.
            position: The offset of its oldest unfinished record, None without one.
            waits: Whether the partition has a reason to make no progress; then 0 is returned, and the time not counted.
        """
        now = self._clock()
        stall = self._stalls.get(tp)
        if position is None:
            self._stalls.pop(tp, None)
            return 0.0
        if stall is None or stall.position != position:
            self._stalls[tp] = _Stall(position, now)
            return 0.0
        passed, stall.looked_at = now - stall.looked_at, now
        if waits:
            return 0.0
        stall.seconds += passed
        return stall.seconds

    def keep(self, owned: Collection[TP]) -> None:
        """Forget every partition but these."""
        for tp in self._stalls.keys() - set(owned):
            del self._stalls[tp]
