"""Rows: a changelogged table that jobs and timers may write, keyed by explicit partition.

Faust's own `table[k] = v` takes the partition from whichever event it believes to be current; a job or a timer has
none, or a dead one. Here the partition is an argument, a write returns once Kafka holds it, and what does not decode
is skipped and counted instead of stopping recovery. Faust still assigns and reads back the changelog, see
agents/kafka/recovery.py; where rows lie is a matter of shelves, see agents/tables/shelves.py.
"""

import asyncio
import heapq
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Generic, Protocol, TypeVar

import faust
import msgspec

from agents.kafka.recovery import Recovered, Table
from agents.kafka.sender import Append
from agents.locks import Locks
from agents.tables.shelves import NOWHERE, Change, MemoryShelves, Reach, Shelf, Shelves
from agents.tables.times import TimeOf
from stream.messages import decoder
from stream.topics import CHANGELOG_TOMBSTONE_SECONDS

logger = logging.getLogger(__name__)

RowT = TypeVar("RowT")
ObservedT_contra = TypeVar("ObservedT_contra", contravariant=True)

CONTINUED_SECONDS: Final = CHANGELOG_TOMBSTONE_SECONDS / 2
"""Rows that were complete this long ago at most are continued, older ones are read anew: Kafka keeps a tombstone for
twice as long, so no row that was deleted meanwhile comes to life again."""
AHEAD_MOST: Final = 10_000


class Observer(Protocol[ObservedT_contra]):
    """Told of every change of the rows of this worker's partitions, by writes and recovery; an index by time is one."""

    @property
    def time_of(self) -> TimeOf | None:
        """Return what tells by its bytes when a row is due, where rows are to be found by their time."""

    def own(self, partition: int, shelf: Shelf) -> None:
        """Note a partition that begins, with the rows that its shelf brings along."""

    def put(self, partition: int, key: bytes, row: ObservedT_contra) -> None:
        """Note a new or changed row."""

    def remove(self, partition: int, key: bytes) -> None:
        """Note that a row is gone, if it was there at all."""

    def drop(self, partition: int) -> None:
        """Note that a whole partition has moved away."""


class _Owned:
    """One partition of this worker: its shelf, and our own writes that are ahead of its reach."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self._ahead: list[int] = []

    def reach_with(self, offset: int, known_at: float) -> Reach:
        """Return the reach once a record of ours is applied too: never beyond one that may be somebody else's."""
        reach = self.shelf.reach
        if len(self._ahead) < AHEAD_MOST:  # else a foreign record lies between, which the next recovery reads
            heapq.heappush(self._ahead, offset)
        while self._ahead and self._ahead[0] <= reach.offset + 1:
            offset = heapq.heappop(self._ahead)
            reach = Reach(offset, known_at) if offset > reach.offset else reach
        return reach


class Rows(Generic[RowT]):
    """The rows of one table, of the partitions that this worker owns."""

    def __init__(
        self,
        app: faust.App,
        name: str,
        kind: type[RowT],
        *,
        partitions: int,
        append: Append,
        on_skipped: Callable[[], None],
        clock: Callable[[], float],
        observer: Observer[RowT] | None = None,
        shelves: Shelves | None = None,
    ) -> None:
        self._owned: dict[int, _Owned] = {}
        self._decode = decoder(kind)
        self._encode = msgspec.json.Encoder().encode
        self._append = append
        self._on_skipped = on_skipped
        self._clock = clock
        self._observer = observer
        self._shelves = shelves or MemoryShelves()
        self._assigned_at = clock()
        self._locks = Locks[tuple[int, str]]()
        self._looking_through = asyncio.Lock()
        self._table = Table(app, name=name, partitions=partitions, rows=self)
        app.tables.add(self._table)

    @property
    def changelog(self) -> str:
        """Return the name of the changelog topic."""
        name: str = self._table.changelog_topic_name
        return name

    def get(self, partition: int, key: str) -> RowT | None:
        """Return the row, None when there is none."""
        owned = self._owned.get(partition)
        value = owned.shelf.get(key.encode()) if owned else None
        return None if value is None else self._decoded(value)

    def count(self) -> int:
        """Return how many rows all partitions of this worker have, or nearly so; see agents/tables/shelves.py."""
        return sum(owned.shelf.count() for owned in self._owned.values())

    def items(self, partition: int) -> Iterator[tuple[str, RowT]]:
        """Yield the rows of a partition."""
        owned = self._owned.get(partition)
        for key, value in owned.shelf.items() if owned else ():
            row = self._decoded(value)
            if row is not None:
                yield key.decode(), row

    async def beginning_with(self, partition: int, prefix: str) -> list[tuple[str, RowT]]:
        """Return the rows whose keys begin so; looks through all keys where the store has no order of them."""
        keys: list[str] = []
        async with self._looking_through:  # several at once would hold the event loop for as many times as long
            owned = self._owned.get(partition)
            for some in owned.shelf.keys(prefix.encode()) if owned else ():
                keys.extend(key.decode() for key in some)
                await asyncio.sleep(0)
        return [(key, row) for key in keys if (row := self.get(partition, key)) is not None]

    async def put(self, partition: int, key: str, row: RowT, *, only: RowT | None = None) -> None:
        """Write a row, or leave it when there is none that equals `only`; returns once Kafka has acknowledged it."""
        name = key.encode()  # one object for shelf and observer, which may have a million of them
        async with self._locks.of((partition, key)):
            if only is not None and self.get(partition, key) != only:
                return
            if await self._write(partition, name, self._encode(row)) and self._observer is not None:
                self._observer.put(partition, name, row)

    async def delete(self, partition: int, key: str, *, only: RowT | None = None) -> None:
        """Delete a row, or leave it when it does not equal the one given by `only`; returns once Kafka knows."""
        async with self._locks.of((partition, key)):
            current = self.get(partition, key)
            if current is None or (only is not None and current != only):
                return
            name = key.encode()
            if await self._write(partition, name, None) and self._observer is not None:
                self._observer.remove(partition, name)

    # What recovery tells; see agents/kafka/recovery.py.

    def own(self, partitions: set[int]) -> None:
        """Put away every partition but these; open those that are new."""
        self._assigned_at = self._clock()
        for partition in self._owned.keys() - partitions:
            self._put_away(partition)
        for partition in sorted(partitions):
            if partition not in self._owned:
                self._owned[partition] = _Owned(self._open(partition))
            if not 0 <= self._assigned_at - self._owned[partition].shelf.reach.known_at <= CONTINUED_SECONDS:
                self.start_over(partition, "too long ago")

    def reach(self, partition: int) -> int | None:
        """Return the offset up to which the rows follow the changelog, None for a partition of another worker."""
        owned = self._owned.get(partition)
        return owned.shelf.reach.offset if owned else None

    def apply(self, records: Iterable[Recovered]) -> None:
        """Apply changelog records that were read back, in order; one that does not decode is skipped and counted."""
        changes: defaultdict[int, list[Change]] = defaultdict(list)
        last: dict[int, int] = {}
        for record in records:
            if record.partition in self._owned:  # else it was read before the partition moved away
                last[record.partition] = record.offset
                changes[record.partition].extend(self._change(record))
        for partition, offset in last.items():
            shelf = self._owned[partition].shelf
            shelf.write(changes[partition], Reach(offset, shelf.reach.known_at))

    def complete(self, partition: int, offset: int) -> None:
        """Note that all is read back that was in the changelog when the partitions were assigned."""
        shelf = self._owned[partition].shelf
        shelf.write((), Reach(max(offset, shelf.reach.offset), self._assigned_at))

    def start_over(self, partition: int, reason: str) -> None:
        """Drop the rows of a partition; its whole changelog is to be read."""
        shelf = self._owned[partition].shelf
        if shelf.reach.offset != NOWHERE:
            logger.warning("rows.started_over", extra={"table": self.changelog, "at": partition, "reason": reason})
        shelf.clear(Reach(NOWHERE, self._assigned_at))
        self._owned[partition] = _Owned(shelf)
        if self._observer is not None:
            self._observer.own(partition, shelf)

    def close(self) -> None:
        """Put away every partition."""
        for partition in list(self._owned):
            self._put_away(partition)

    def _open(self, partition: int) -> Shelf:
        time_of = None if self._observer is None else self._observer.time_of
        shelf = self._shelves.open(self.changelog, partition, self._assigned_at, time_of)
        if self._observer is not None:
            self._observer.own(partition, shelf)
        return shelf

    def _put_away(self, partition: int) -> None:
        self._owned.pop(partition).shelf.close()
        if self._observer is not None:
            self._observer.drop(partition)

    async def _write(self, partition: int, key: bytes, value: bytes | None) -> bool:
        """Write to changelog and shelf; return False when the partition has moved away meanwhile."""
        known_at = self._clock()
        offset = await self._append(self.changelog, key=key, value=value, partition=partition)
        owned = self._owned.get(partition)
        if owned is None:
            return False
        owned.shelf.write([(key, value)], owned.reach_with(offset, known_at))
        return True

    def _change(self, record: Recovered) -> Iterator[Change]:
        """Yield the change of a record, nothing when it is not ours, and tell the observer."""
        key, value = record.key, record.value
        try:
            row = None if value is None else self._decode(value)
            name = None if key is None else key.decode()
        except (UnicodeDecodeError, msgspec.DecodeError):
            name = None
        if key is None or name is None:
            self._on_skipped()
            return
        yield key, value
        if self._observer is None:
            return
        if row is None:
            self._observer.remove(record.partition, key)
        else:
            self._observer.put(record.partition, key, row)

    def _decoded(self, value: bytes) -> RowT | None:
        try:
            return self._decode(value)
        except msgspec.DecodeError:  # written to disk by another version of this program
            self._on_skipped()
            return None
