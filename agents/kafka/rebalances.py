"""Rebalances: how often partitions move, and how long it takes until the work goes on."""

from collections.abc import Callable

from stream.telemetry import Metrics


class Rebalances:
    """Times rebalances and the recoveries in them; `clock` is monotonic, in seconds.

    A rebalance that the next one overtakes has no end of its own: both count, and their time is told once.
    """

    def __init__(self, metrics: Metrics, clock: Callable[[], float]) -> None:
        self._metrics = metrics
        self._clock = clock
        self._begun_at: float | None = None
        self._assigned_at: float | None = None

    def begun(self) -> None:
        """Note that partitions are taken away; any thread may tell."""
        self._metrics.consumer_rebalances.inc()
        if self._begun_at is None:
            self._begun_at = self._clock()

    def assigned(self) -> None:
        """Note that partitions were assigned, whose rows are read back now."""
        self._assigned_at = self._clock()
        self._metrics.table_recovering.set(1)

    def ended(self) -> None:
        """Note that all rows are there and the work goes on."""
        now = self._clock()
        if self._begun_at is not None:
            self._metrics.consumer_rebalance_seconds.observe(now - self._begun_at)
        if self._assigned_at is not None:
            self._metrics.table_recovery_seconds.observe(now - self._assigned_at)
        self._begun_at = self._assigned_at = None
        self._metrics.table_recovering.set(0)
