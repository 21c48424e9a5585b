"""Room: how many records the next poll may bring, so that what is in memory does not grow with the backlog."""

from collections.abc import Iterable, Mapping

from faust.types import TP


class Room:
    """The room of one lane, by partition and in all."""

    def __init__(self, left: int, by_partition: Mapping[TP, int]) -> None:
        self._left = left
        self._by_partition = dict(by_partition)

    def of(self, tp: TP) -> int:
        """Return how many records of a partition may be brought now."""
        return max(0, min(self._left, self._by_partition.get(tp, 0)))

    def fill(self, tp: TP, records: int) -> None:
        """Note that so many were brought."""
        self._left -= records
        self._by_partition[tp] -= records


class Rooms:
    """The room of all lanes; what has no lane, a changelog that is read back, may bring `most` at a time."""

    def __init__(self, lanes: Mapping[str, Room], active: Iterable[TP], most: int) -> None:
        self._lanes = lanes
        self._active = frozenset(active)
        self._most = most

    def __bool__(self) -> bool:
        return any(tp in self for tp in self._active)

    def __contains__(self, tp: TP) -> bool:
        return self.of(tp) > 0

    def of(self, tp: TP) -> int:
        """Return how many records of a partition may be brought now."""
        if tp not in self._active:
            return 0
        lane = self._lanes.get(tp.topic)
        return self._most if lane is None else lane.of(tp)

    def fill(self, tp: TP, records: int) -> None:
        """Note that so many were brought."""
        lane = self._lanes.get(tp.topic)
        if lane is not None:
            lane.fill(tp, records)
