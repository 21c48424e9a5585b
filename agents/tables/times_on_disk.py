"""When the rows of one partition on disk are due: entries beside the rows, read when their time comes.

An entry is the time and the key of a row, written with it or not at all. Nothing is in memory but what is due: all
entries before a mark have been read and are in an index in memory, which also knows what was put off; those from the
mark on are on disk alone. No look goes over the entries before the mark again, most of which are deleted by then and
would have to be skipped one by one.
"""

import math
from collections.abc import Container, Iterator
from struct import Struct
from typing import Final, Protocol

from agents.tables.times import Place, TimesInMemory

AHEAD_SECONDS: Final = 60.0
"""How far a look searches for the row that is due next, lest it goes over all entries that were deleted up to it."""

_TIME: Final = Struct(">d")  # of no negative number: the bytes are in the order of time


def entry_of(due_at: float, key: bytes) -> bytes:
    """Return the entry of a row; entries are in the order of time."""
    return _TIME.pack(max(0.0, due_at)) + key


def parts_of(entry: bytes) -> tuple[float, bytes]:
    """Return the time and the key of an entry."""
    return _TIME.unpack_from(entry)[0], entry[_TIME.size :]


class Entries(Protocol):
    """The shelf that holds rows and entries."""

    def count(self) -> int:
        """Return how many rows there are."""

    def entries(self, first: bytes, end: bytes) -> Iterator[bytes]:
        """Yield the entries from `first` on that lie before `end`, in their order."""


class TimesOnDisk:
    """The times of the rows of one partition, on disk."""

    def __init__(self, partition: int, shelf: Entries) -> None:
        self._shelf = shelf
        self._near = TimesInMemory(partition)
        self._mark = b""
        self._next_at = 0.0  # no entry from the mark on is of an earlier time
        self._next_is_known = False  # whether one is of this time, or was when it was looked for

    def __len__(self) -> int:
        return self._shelf.count()

    def put(self, key: bytes, due_at: float) -> None:
        """Note a row that was written, or its new time."""
        if entry_of(due_at, key) < self._mark:
            self._near.put(key, due_at)
            return
        self._near.remove(key)
        if due_at < self._next_at:
            self._next_at, self._next_is_known = due_at, True

    def put_off(self, key: bytes, until: float) -> None:
        """Name a row that was named not before this time, whatever it says itself."""
        self._near.put_off(key, until)

    def remove(self, key: bytes) -> None:
        """Note that a row is gone."""
        self._near.remove(key)

    def sort(self, now: float, most: int) -> int:
        """Prepare what was put off and is due soon; entries are in order."""
        return self._near.sort(now, most)

    def due(self, now: float, most: int, but: Container[Place]) -> list[Place]:
        """Return the places of rows that are due; no more entries are read than are asked for."""
        found = self._near.due(now, most, but)
        if now >= self._next_at:
            self._read(now, most - len(found))
            found += self._near.newly_due(now, most - len(found), but)
        return found

    def oldest(self) -> float | None:
        """Return the time of the row that is due first among those that are due soon."""
        near, far = self._near.oldest(), self._next_at if self._next_is_known else None
        return far if near is None or (far is not None and far < near) else near

    def _read(self, now: float, most: int) -> None:
        """Move the mark over at most `most` entries that are due, and learn when the next one will be."""
        self._next_at, self._next_is_known = now + AHEAD_SECONDS, False
        for entry in self._shelf.entries(self._mark, entry_of(self._next_at, b"")):
            due_at, key = parts_of(entry)
            if due_at > now or not most:
                self._next_at, self._next_is_known = due_at, True
                break
            self._near.put(key, due_at)
            self._mark = entry + b"\x00"
            most -= 1
        if self._next_at > now:
            self._mark = max(self._mark, entry_of(math.nextafter(now, math.inf), b""))
