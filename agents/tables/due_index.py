"""Which rows are due: an index by time that costs what is due, not what is stored.

A row that is due in days lies in a slot of a quarter of an hour: eight bytes for its time, eight for its key, and a
place in one dict. Shortly before its time comes a slot is sorted into a heap, a few rows at a time, so that a million
rows of the same second hold up nothing.
"""

import heapq
from array import array
from collections.abc import Container, Iterator
from typing import Final, Protocol

Place = tuple[int, str]
"""Partition and key of a row."""

SLOT_SECONDS: Final = 900.0
SORTED_ROWS: Final = 5000
"""Rows of a slot that one look sorts at most, which takes some milliseconds."""


class Timed(Protocol):
    """A row that is due at a time."""

    @property
    def due_at(self) -> float:
        """Return the Unix time in seconds."""


class _Slot:
    """Rows of one partition that are due in the same quarter of an hour; it may name some that moved elsewhere."""

    __slots__ = ("keys", "times")

    def __init__(self) -> None:
        self.times: array[float] = array("d")
        self.keys: list[bytes] = []

    def put(self, due_at: float, key: bytes) -> None:
        self.times.append(due_at)
        self.keys.append(key)

    def take(self, most: int) -> list[tuple[float, bytes]]:
        """Return and forget at most `most` rows, those first that came last."""
        start = max(0, len(self.keys) - most)
        taken = list(zip(self.times[start:], self.keys[start:], strict=True))[::-1]  # the last word on a key counts
        del self.times[start:], self.keys[start:]
        return taken


class _Partition:
    """The rows of one partition."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._slots: dict[int, _Slot] = {}
        self._place: dict[bytes, _Slot | float] = {}  # a slot, or the time of a row in the heap
        self._near: list[tuple[float, bytes]] = []  # the heap
        self._near_until = 0  # slots before this number are in the heap
        self._due: dict[bytes, Place] = {}  # in the order of time, as far as they were looked at

    def __len__(self) -> int:
        return len(self._place)

    def put(self, key: bytes, due_at: float) -> None:
        self._due.pop(key, None)
        number = int(due_at // SLOT_SECONDS)
        if number < self._near_until:
            self._place[key] = due_at
            heapq.heappush(self._near, (due_at, key))
            return
        slot = self._slots.setdefault(number, _Slot())
        slot.put(due_at, key)
        self._place[key] = slot

    def remove(self, key: bytes) -> None:
        self._place.pop(key, None)
        self._due.pop(key, None)

    def sort(self, now: float, most: int) -> int:
        """Move rows of slots that begin soon into the heap; return how many of `most` are left."""
        soon = int(now // SLOT_SECONDS) + 2
        if soon <= self._near_until:
            return most
        for number in sorted(number for number in self._slots if number < soon):
            slot = self._slots[number]
            for due_at, key in slot.take(most):
                most -= 1
                if self._place.get(key) is slot:  # else it was put elsewhere since, or has been seen already
                    self._place[key] = due_at
                    heapq.heappush(self._near, (due_at, key))
            if slot.keys:
                return 0
            del self._slots[number]
        self._near_until = soon
        return most

    def due(self, now: float, most: int, but: Container[Place]) -> Iterator[Place]:
        """Yield the places of rows that are due, those named before first."""
        known = [place for place in self._due.values() if place not in but][:most]
        yield from known
        left = most - len(known)
        while self._near and self._near[0][0] <= now and left:
            due_at, key = heapq.heappop(self._near)
            if self._place.get(key) == due_at and key not in self._due:
                place = self._due[key] = (self._number, key.decode())
                left -= 1
                yield place

    def oldest(self) -> float | None:
        """Return the time of the row that is due first among those that are due soon."""
        if self._due:
            at = self._place[next(iter(self._due))]
            return at if isinstance(at, float) else None
        while self._near and self._place.get(self._near[0][1]) != self._near[0][0]:
            heapq.heappop(self._near)
        return self._near[0][0] if self._near else None


class DueIndex:
    """Observes the rows of a table and names those whose time has come."""

    def __init__(self) -> None:
        self._partitions: dict[int, _Partition] = {}
        self._turn = 0

    def __len__(self) -> int:
        return sum(map(len, self._partitions.values()))

    def put(self, partition: int, key: bytes, row: Timed) -> None:
        """Note a row, or its new time."""
        if (rows := self._partitions.get(partition)) is None:
            rows = self._partitions[partition] = _Partition(partition)
        rows.put(key, row.due_at)

    def remove(self, partition: int, key: bytes) -> None:
        """Drop a row, if it is there."""
        if (rows := self._partitions.get(partition)) is not None:
            rows.remove(key)

    def drop(self, partition: int) -> None:
        """Drop every row of a partition that has moved away."""
        self._partitions.pop(partition, None)

    def due(self, now: float, most: int, but: Container[Place] = ()) -> list[Place]:
        """Return at most `most` rows that are due, each time beginning with another partition.

        They are named again until they are removed or put off. Those in `but` are not named, nor counted: rows that
        hang would else stand before all others.
        """
        left_to_sort = SORTED_ROWS
        found: list[Place] = []
        for rows in self._in_turn():
            left_to_sort = rows.sort(now, left_to_sort)
            found.extend(rows.due(now, most - len(found), but))
        return found

    def oldest(self) -> float | None:
        """Return the Unix time of the row that is due first, None where none is due soon."""
        times = [at for at in (rows.oldest() for rows in self._partitions.values()) if at is not None]
        return min(times, default=None)

    def _in_turn(self) -> list[_Partition]:
        rows = list(self._partitions.values())
        self._turn = (self._turn + 1) % max(1, len(rows))
        return rows[self._turn :] + rows[: self._turn]
