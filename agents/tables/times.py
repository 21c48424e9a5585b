"""When the rows of one partition are due: what every index of them can do, and the one in memory.

A row that is due in days lies in a slot of a quarter of an hour: eight bytes for its time, eight for its key, and a
place in one dict. Shortly before its time comes a slot is sorted into a heap, a few rows at a time, so that a million
rows of the same second hold up nothing. The other kind, on disk beside the rows, is in agents/tables/times_on_disk.py.
"""

import heapq
from array import array
from collections.abc import Callable, Container
from itertools import islice
from typing import Final, Protocol

Place = tuple[int, str]
"""Partition and key of a row."""
TimeOf = Callable[[bytes], float]
"""Tells from a row's bytes when it is due, Unix seconds."""

SLOT_SECONDS: Final = 900.0
CHUNK_ROWS: Final = 4096
"""Rows of a slot that are tidied up together, which takes a millisecond."""
STALE_MOST: Final = 32
"""Rows that have left a chunk beside as many as are still there."""


class Times(Protocol):
    """The times of the rows of one partition."""

    def __len__(self) -> int:
        """Return how many rows there are."""

    def put(self, key: bytes, due_at: float) -> None:
        """Note a row that was written, or its new time."""

    def put_off(self, key: bytes, until: float) -> None:
        """Name a row that was named not before this time, whatever it says itself, for as long as we live."""

    def remove(self, key: bytes) -> None:
        """Note that a row is gone, if it was there at all."""

    def sort(self, now: float, most: int) -> int:
        """Prepare for what is due soon, at most `most` rows; return how many of them are left."""

    def due(self, now: float, most: int, but: Container[Place]) -> list[Place]:
        """Return the places of at most `most` rows that are due, those named before first; none of `but`."""

    def oldest(self) -> float | None:
        """Return the time of the row that is due first among those that are due soon, as of the last look."""


class _Chunk:
    """Rows of one partition that are due in the same quarter of an hour; it may name some that moved elsewhere."""

    __slots__ = ("keys", "live", "times")

    def __init__(self) -> None:
        self.times: array[float] = array("d")
        self.keys: list[bytes] = []
        self.live = 0

    def put(self, due_at: float, key: bytes) -> None:
        self.times.append(due_at)
        self.keys.append(key)
        self.live += 1

    def take(self, most: int) -> list[tuple[float, bytes]]:
        """Return and forget at most `most` rows, those first that came last."""
        start = max(0, len(self.keys) - most)
        taken = list(zip(self.times[start:], self.keys[start:], strict=True))[::-1]  # the last word on a key counts
        del self.times[start:], self.keys[start:]
        return taken

    def leave(self, places: dict[bytes, "_Chunk | float"]) -> None:
        """Note that a row has moved elsewhere, and forget all such once they are the greater part."""
        self.live -= 1
        if len(self.keys) <= 2 * self.live + STALE_MOST:
            return
        last: dict[bytes, float] = {}
        for due_at, key in self.take(len(self.keys)):
            if places.get(key) is self:
                last.setdefault(key, due_at)
        self.keys = list(last)
        self.times = array("d", last.values())


class TimesInMemory:
    """The times of the rows of one partition, in memory."""

    def __init__(self, partition: int) -> None:
        self._partition = partition
        self._slots: dict[int, list[_Chunk]] = {}
        self._place: dict[bytes, _Chunk | float] = {}  # a part of a slot, or the time of a row in the heap
        self._near: list[tuple[float, bytes]] = []  # the heap
        self._near_until = 0  # slots before this number are in the heap
        self._due: dict[bytes, Place] = {}  # in the order of time, as far as they were looked at

    def __len__(self) -> int:
        return len(self._place)

    def put(self, key: bytes, due_at: float) -> None:
        """Note a row that was written, or its new time."""
        self.remove(key)
        number = int(due_at // SLOT_SECONDS)
        if number < self._near_until:
            self._place[key] = due_at
            heapq.heappush(self._near, (due_at, key))
            return
        chunks = self._slots.setdefault(number, [])
        if not chunks or len(chunks[-1].keys) >= CHUNK_ROWS:
            chunks.append(_Chunk())
        chunks[-1].put(due_at, key)
        self._place[key] = chunks[-1]

    def put_off(self, key: bytes, until: float) -> None:
        """Name a row later than it says itself."""
        if key in self._place:
            self.put(key, until)

    def remove(self, key: bytes) -> None:
        """Note that a row is gone."""
        self._due.pop(key, None)
        if isinstance(place := self._place.pop(key, None), _Chunk):
            place.leave(self._place)

    def sort(self, now: float, most: int) -> int:
        """Move rows of slots that begin soon into the heap."""
        soon = int(now // SLOT_SECONDS) + 2
        if soon <= self._near_until:
            return most
        for number in sorted(number for number in self._slots if number < soon):
            chunks = self._slots[number]
            while chunks:
                most = self._bring_near(chunks[-1], most)
                if chunks[-1].keys:
                    return 0
                chunks.pop()
            del self._slots[number]
        self._near_until = soon
        return most

    def due(self, now: float, most: int, but: Container[Place]) -> list[Place]:
        """Return the places of rows that are due, those named before first."""
        known = list(islice((place for place in self._due.values() if place not in but), most))
        return known + self.newly_due(now, most - len(known), but)

    def newly_due(self, now: float, most: int, but: Container[Place]) -> list[Place]:
        """Return the places of rows that were not named before."""
        found: list[Place] = []
        while self._near and self._near[0][0] <= now and len(found) < most:
            due_at, key = heapq.heappop(self._near)
            if self._place.get(key) == due_at and key not in self._due:
                place = self._due[key] = (self._partition, key.decode())
                if place not in but:
                    found.append(place)
        return found

    def oldest(self) -> float | None:
        """Return the time of the row that is due first among those that are due soon."""
        if self._due:
            at = self._place[next(iter(self._due))]
            return at if isinstance(at, float) else None
        while self._near and self._place.get(self._near[0][1]) != self._near[0][0]:
            heapq.heappop(self._near)
        return self._near[0][0] if self._near else None

    def _bring_near(self, chunk: _Chunk, most: int) -> int:
        for due_at, key in chunk.take(most):
            most -= 1
            if self._place.get(key) is chunk:  # else it was put elsewhere since, or has been seen already
                chunk.live -= 1
                self._place[key] = due_at
                heapq.heappush(self._near, (due_at, key))
        return most
