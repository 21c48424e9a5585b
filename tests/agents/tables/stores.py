"""Both places where rows may lie, for tests of what they have in common."""

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import Struct

from agents.tables.due_index import DueIndex
from agents.tables.rocksdb import RocksShelves
from agents.tables.shelves import NOWHERE, MemoryShelves, Reach, Shelf, Shelves
from stream.messages import encode

MakeShelves = Callable[[Path], Shelves]
NEW = Reach(NOWHERE, 0.0)


def in_memory(_: Path) -> Shelves:
    return MemoryShelves()


def on_disk(folder: Path) -> Shelves:
    return RocksShelves(str(folder))


KINDS = pytest.mark.parametrize("make_shelves", [in_memory, on_disk])


class TimedRow(Struct, frozen=True, rename="camel"):
    """The least that a row with a time says."""

    due_at: float
    text: str = ""


class Indexed:
    """Rows that are written and indexed as agents/tables/rows.py does it, without a changelog."""

    def __init__(self, shelves: Shelves, partitions: int = 1) -> None:
        self.index = DueIndex()
        self._shelves = shelves
        self._owned: dict[int, Shelf] = {}
        for partition in range(partitions):
            self.own(partition)

    def own(self, partition: int) -> None:
        """Own a partition, or leave it and come back."""
        if partition in self._owned:
            self._owned[partition].close()
            self.index.drop(partition)
        shelf = self._owned[partition] = self._shelves.open("due", partition, 0.0, self.index.time_of)
        self.index.own(partition, shelf)

    def put(self, partition: int, key: bytes, due_at: float) -> None:
        row = TimedRow(due_at)
        self._owned[partition].write([(key, encode(row))], NEW)
        self.index.put(partition, key, row)

    def put_all(self, partition: int, keys: list[bytes], due_at: float) -> None:
        row = TimedRow(due_at)
        for key in keys:
            self.index.put(partition, key, row)
        self._owned[partition].write([(key, encode(row)) for key in keys], NEW)

    def remove(self, partition: int, key: bytes) -> None:
        self._owned[partition].write([(key, None)], NEW)
        self.index.remove(partition, key)

    def clear(self, partition: int) -> None:
        self._owned[partition].clear(NEW)
        self.index.own(partition, self._owned[partition])

    def rows(self, partition: int) -> int:
        return len(list(self._owned[partition].items()))

    def close(self) -> None:
        for shelf in self._owned.values():
            shelf.close()
        self._shelves.close()
