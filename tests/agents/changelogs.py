"""A changelog in memory, for tests of what is written to and recovered from one."""

from collections.abc import Callable
from typing import Any, TypeVar

import faust

from agents.kafka.recovery import Recovered
from agents.tables.rows import Observer, Rows
from agents.tables.shelves import Shelves

RowT = TypeVar("RowT")

PARTITIONS = 4


class Changelog:
    """What a table wrote, in order, each partition with offsets of its own."""

    def __init__(self) -> None:
        self.records: list[Recovered] = []
        self._ends = [0] * PARTITIONS

    async def __call__(self, topic: str, *, key: bytes, value: bytes | None, partition: int) -> int:
        del topic
        return self.add(partition, key, value)

    def add(self, partition: int, key: bytes | None, value: bytes | None) -> int:
        """Append a record, of whoever it may be."""
        offset = self._ends[partition]
        self._ends[partition] += 1
        self.records.append(Recovered(partition, offset, key, value))
        return offset

    def end(self, partition: int) -> int:
        """Return the offset that comes next."""
        return self._ends[partition]

    def compact(self, *, tombstones: bool) -> None:
        """Drop every record that a later one of its key replaces, and old tombstones too; never a partition's last."""
        last = {(record.partition, record.key): record.offset for record in self.records}
        self.records = [
            record
            for record in self.records
            if record.offset == self._ends[record.partition] - 1
            or (record.offset == last[record.partition, record.key] and (record.value is not None or not tombstones))
        ]

    def last(self, partition: int, key: str) -> bytes | None:
        """Return the last value of a key, None after a tombstone."""
        place = (partition, key.encode())
        return next(record.value for record in reversed(self.records) if (record.partition, record.key) == place)

    def replay_into(self, rows: Rows[Any]) -> None:
        """Recover a table from this log, as Faust does: what is beyond its reach."""
        reach = {partition: rows.reach(partition) for partition in range(PARTITIONS)}
        owned = {partition: offset for partition, offset in reach.items() if offset is not None}
        rows.apply(record for record in self.records if record.offset > owned.get(record.partition, self._ends[0]))
        for partition in owned:
            rows.complete(partition, self._ends[partition] - 1)


def make_rows(
    log: Changelog,
    kind: type[RowT],
    observer: Observer[RowT] | None = None,
    skipped: list[int] | None = None,
    *,
    shelves: Shelves | None = None,
    clock: Callable[[], float] = lambda: 0.0,
) -> Rows[RowT]:
    """Make a table whose changelog is `log`, that owns all four partitions."""
    app = faust.App("tests", broker="kafka://127.0.0.1:1", web_enabled=False)
    rows = Rows(
        app,
        "table",
        kind,
        partitions=PARTITIONS,
        append=log,
        on_skipped=lambda: (skipped if skipped is not None else []).append(1),
        clock=clock,
        observer=observer,
        shelves=shelves,
    )
    rows.own(set(range(PARTITIONS)))
    return rows
