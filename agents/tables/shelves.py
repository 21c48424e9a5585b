"""Shelves: where the rows of one partition of a table lie, and how far into its changelog they reach.

The rows and their reach are written together or not at all. Two kinds keep the same contract: memory, and RocksDB
(agents/tables/rocksdb.py), which is still there after the process has ended.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, Protocol

from agents.tables.times import TimeOf, Times, TimesInMemory

Change = tuple[bytes, bytes | None]
"""A key and its new row, None to delete it."""


class Reach(NamedTuple):
    """How far rows follow their changelog."""

    offset: int
    """Every record up to this offset is in the rows; -1 for none."""
    known_at: float
    """When that was so, Unix seconds: each record that the rows lack and that contradicts them was still in the
    changelog by then, or came later."""


class Shelf(Protocol):
    """The rows of one partition, as the bytes that its changelog holds."""

    @property
    def reach(self) -> Reach:
        """Return how far the rows follow their changelog."""

    def get(self, key: bytes) -> bytes | None:
        """Return a row."""

    def count(self) -> int:
        """Return how many rows there are, or nearly so where counting would have to read them."""

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield every row; what is written meanwhile may or may not show."""

    def keys(self, prefix: bytes) -> Iterator[list[bytes]]:
        """Yield the keys that begin so, in parts between which the event loop may have its turn.

        What is written meanwhile may or may not show.
        """

    def times(self, partition: int) -> Times:
        """Return when the rows are due; only where the shelf was opened with `time_of`, and asked for once."""

    def write(self, changes: Iterable[Change], reach: Reach) -> None:
        """Apply changes in their order and note the reach, all or nothing."""

    def clear(self, reach: Reach) -> None:
        """Drop every row."""

    def close(self) -> None:
        """Put the shelf away: its partition belongs to another worker, or the process ends."""


class Shelves(Protocol):
    """Makes shelves."""

    def open(self, changelog: str, partition: int, now: float, time_of: TimeOf | None = None) -> Shelf:
        """Return the shelf of a partition as it was left, or an empty one that reaches nowhere, known `now`.

        `time_of` is given where rows are to be found by their time.
        """

    def close(self) -> None:
        """Let another process have the place, once every shelf is closed."""


NOWHERE: Final = -1
LOOKED_AT_KEYS: Final = 10_000
"""Keys that are looked at in one go, in less than a millisecond."""


class MemoryShelf:
    """Rows in a dict, gone with the process."""

    def __init__(self, reach: Reach) -> None:
        self.reach = reach
        self._rows: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        """Return a row."""
        return self._rows.get(key)

    def count(self) -> int:
        """Return how many rows there are."""
        return len(self._rows)

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield every row as it is now."""
        yield from list(self._rows.items())

    def keys(self, prefix: bytes) -> Iterator[list[bytes]]:
        """Yield the keys that begin so, some thousands looked at in between."""
        keys = list(self._rows)
        for first in range(0, len(keys), LOOKED_AT_KEYS):
            yield [key for key in keys[first : first + LOOKED_AT_KEYS] if key.startswith(prefix)]

    def times(self, partition: int) -> Times:
        """Return an index of rows to come: a new shelf has none."""
        return TimesInMemory(partition)

    def write(self, changes: Iterable[Change], reach: Reach) -> None:
        """Apply changes in their order and note the reach."""
        for key, value in changes:
            if value is None:
                self._rows.pop(key, None)
            else:
                self._rows[key] = value
        self.reach = reach

    def clear(self, reach: Reach) -> None:
        """Drop every row."""
        self._rows.clear()
        self.reach = reach

    def close(self) -> None:
        """Forget the rows."""
        self._rows.clear()


class MemoryShelves:
    """Makes shelves in memory."""

    def open(self, changelog: str, partition: int, now: float, time_of: TimeOf | None = None) -> MemoryShelf:
        """Return an empty shelf."""
        del changelog, partition, time_of
        return MemoryShelf(Reach(NOWHERE, now))

    def close(self) -> None:
        """Do nothing: no other process can want this memory."""
