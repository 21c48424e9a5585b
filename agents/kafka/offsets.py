"""Which offset of a partition may be committed: one rule instead of Faust's bookkeeping of acks.

The position of a partition is the lowest offset that was taken and is not finished, or the one after the highest
taken when all are finished. It never jumps over an unfinished record, whatever order they finish in, and needs no
knowledge of gaps: offsets that compaction or transactions removed are never taken.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from faust.types import TP


class _Taken(NamedTuple):
    number: int
    """How many records of the partition were taken before this one."""
    at: float
    stamped_at: float | None
    """Kafka's timestamp of the record."""


class _Partition:
    __slots__ = ("next_offset", "taken", "unfinished")

    def __init__(self) -> None:
        self.unfinished: OrderedDict[int, _Taken] = OrderedDict()  # in the order taken, hence ascending
        self.next_offset = 0
        self.taken = 0


class Offsets:
    """What was taken and what is finished, for each partition of this process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._partitions: dict[TP, _Partition] = {}
        self._clock = clock

    def take(self, tp: TP, offset: int, stamped_at: float | None = None) -> None:
        """Note that a record is on its way to a lane; `stamped_at` is Kafka's timestamp of it, Unix seconds.

        Offsets of a partition ascend. One that does not tells that the consumer went back: what was taken from there on
        comes again, and counts only then.
        """
        partition = self._partitions.setdefault(tp, _Partition())
        if offset < partition.next_offset:
            kept = {before: taken for before, taken in partition.unfinished.items() if before < offset}
            partition.unfinished = OrderedDict(kept)
        partition.unfinished[offset] = _Taken(partition.taken, self._clock(), stamped_at)
        partition.taken += 1
        partition.next_offset = offset + 1

    def finish(self, tp: TP, offset: int) -> None:
        """Note that a record needs no second delivery; unknown ones (of before a rebalance) are ignored."""
        partition = self._partitions.get(tp)
        if partition is not None:
            partition.unfinished.pop(offset, None)

    def position(self, tp: TP) -> int | None:
        """Return the offset that may be committed, or None when nothing was taken from the partition."""
        partition = self._partitions.get(tp)
        if partition is None:
            return None
        return next(iter(partition.unfinished), partition.next_offset)

    def unfinished(self, tp: TP) -> int:
        """Return how many records of the partition are taken and not finished, queued ones included."""
        partition = self._partitions.get(tp)
        return len(partition.unfinished) if partition else 0

    def window(self, tp: TP) -> int:
        """Return how many records a crash would deliver again: those taken from the oldest unfinished one on."""
        head = self._head(tp)
        return self._partitions[tp].taken - head.number if head else 0

    def widest_window(self, topic: str) -> int:
        """Return the largest window of a topic's partitions."""
        return max((self.window(tp) for tp in self._partitions if tp.topic == topic), default=0)

    def oldest_seconds(self, topic: str) -> float:
        """Return for how long the oldest unfinished record of a topic has been here."""
        heads = [head for tp in self._partitions if tp.topic == topic and (head := self._head(tp))]
        return self._clock() - min(head.at for head in heads) if heads else 0.0

    def oldest_stamp(self, tp: TP) -> float | None:
        """Return Kafka's timestamp of a partition's oldest unfinished record, Unix seconds; None without one."""
        head = self._head(tp)
        return head.stamped_at if head else None

    def partitions(self) -> list[TP]:
        """Return every partition from which something was taken."""
        return list(self._partitions)

    def clear(self) -> None:
        """Forget everything: the consumer was moved back to the committed offsets."""
        self._partitions.clear()

    def _head(self, tp: TP) -> _Taken | None:
        partition = self._partitions.get(tp)
        return next(iter(partition.unfinished.values()), None) if partition else None
