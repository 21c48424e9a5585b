"""Which rows are due: an index by time that costs what is due, not what is stored.

Each partition's times lie where its rows do; see agents/tables/times.py.
"""

from collections.abc import Container
from typing import Final, Protocol

import msgspec

from agents.tables.shelves import Shelf
from agents.tables.times import Place, Times

SORTED_ROWS: Final = 5000
"""Rows that one look prepares at most, which takes some milliseconds."""


class Timed(Protocol):
    """A row that is due at a time."""

    @property
    def due_at(self) -> float:
        """Return the Unix time in seconds."""


class _Time(msgspec.Struct, frozen=True, rename="camel"):
    due_at: float


_time_of = msgspec.json.Decoder(_Time).decode


class DueIndex:
    """Observes the rows of a table and names those whose time has come."""

    def __init__(self) -> None:
        self._partitions: dict[int, Times] = {}
        self._turn = 0

    def __len__(self) -> int:
        return sum(map(len, self._partitions.values()))

    def time_of(self, value: bytes) -> float:
        """Return when a row is due, of which only the bytes are known."""
        return _time_of(value).due_at

    def own(self, partition: int, shelf: Shelf) -> None:
        """Begin with a partition, with the rows that its shelf brings along."""
        self._partitions[partition] = shelf.times(partition)

    def put(self, partition: int, key: bytes, row: Timed) -> None:
        """Note a row that was written, or its new time."""
        self._partitions[partition].put(key, row.due_at)

    def put_off(self, partition: int, key: bytes, until: float) -> None:
        """Name a row that was named not before this time, whatever it says itself, for as long as we own it."""
        if (times := self._partitions.get(partition)) is not None:
            times.put_off(key, until)

    def remove(self, partition: int, key: bytes) -> None:
        """Drop a row, if it is there."""
        self._partitions[partition].remove(key)

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
        for times in self._in_turn():
            left_to_sort = times.sort(now, left_to_sort)
            found.extend(times.due(now, most - len(found), but))
        return found

    def oldest(self) -> float | None:
        """Return the Unix time of the row that is due first, None where none is due soon."""
        oldest = [at for at in (times.oldest() for times in self._partitions.values()) if at is not None]
        return min(oldest, default=None)

    def _in_turn(self) -> list[Times]:
        partitions = list(self._partitions.values())
        self._turn = (self._turn + 1) % max(1, len(partitions))
        return partitions[self._turn :] + partitions[: self._turn]
