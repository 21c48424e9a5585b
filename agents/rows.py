"""Rows: a changelogged table that jobs and timers may write, keyed by explicit partition.

Faust's own `table[k] = v` takes the partition from whichever event it believes to be current; a job or a timer has
none, or a dead one. Here the partition is an argument, a write returns once Kafka holds it, and what does not decode
is skipped and counted instead of stopping recovery. Faust still assigns, reads back and compacts the changelog.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, Protocol, TypeVar
from weakref import WeakValueDictionary

import faust
import msgspec
from faust.stores.memory import Store as MemoryStore

from agents.consumer import FAUST_LOGGER
from agents.sender import Send

RowT = TypeVar("RowT")
ObservedT_contra = TypeVar("ObservedT_contra", contravariant=True)


class Observer(Protocol[ObservedT_contra]):
    """Told of every change of the rows of this worker's partitions, writes and recovery alike."""

    def put(self, partition: int, key: str, row: ObservedT_contra) -> None:
        """Note a new or changed row."""

    def remove(self, partition: int, key: str) -> None:
        """Note that a row is gone, if it was there at all."""

    def drop(self, partition: int) -> None:
        """Note that a whole partition has moved away."""


class _Store(MemoryStore[bytes, bytes]):
    """Hands changelog records to `Rows`, raw: Faust's own store would decode them, and stop at a foreign one."""

    logger = FAUST_LOGGER
    rows: "Rows[Any]"

    def apply_changelog_batch(self, batch: Iterable[Any], to_key: Any, to_value: Any) -> None:  # noqa: ARG002
        for event in batch:
            self.rows.apply(event.message.partition, event.message.key, event.message.value)

    async def on_rebalance(self, assigned: Any, revoked: Any, newly_assigned: Any, generation_id: int = 0) -> None:  # noqa: ARG002
        # A partition that moved away changes elsewhere; when it comes back its changelog is read anew.
        topic = self.rows.changelog
        self.rows.keep_only({tp.partition for tp in assigned - newly_assigned if tp.topic == topic})


class _Table(faust.Table[bytes, bytes]):
    logger = FAUST_LOGGER
    rows: "Rows[Any]"

    def _new_store(self) -> _Store:
        store = _Store("memory://", self.app, self, table_name=self.name, loop=self.loop)
        store.rows = self.rows
        return store


class Rows(Generic[RowT]):
    """The rows of one table, of the partitions that this worker owns."""

    def __init__(
        self,
        app: faust.App,
        name: str,
        kind: type[RowT],
        *,
        partitions: int,
        send: Send,
        on_skipped: Callable[[], None],
        observer: Observer[RowT] | None = None,
    ) -> None:
        self._rows: dict[int, dict[str, RowT]] = {}
        self._decode = msgspec.json.Decoder(kind).decode
        self._encode = msgspec.json.Encoder().encode
        self._send = send
        self._on_skipped = on_skipped
        self._observer = observer
        self._locks: WeakValueDictionary[tuple[int, str], asyncio.Lock] = WeakValueDictionary()
        self._table = _Table(app, name=name, partitions=partitions, key_type=bytes, value_type=bytes)
        self._table.rows = self
        app.tables.add(self._table)

    def __len__(self) -> int:
        return sum(map(len, self._rows.values()))

    @property
    def changelog(self) -> str:
        """Return the name of the changelog topic."""
        name: str = self._table.changelog_topic_name
        return name

    def get(self, partition: int, key: str) -> RowT | None:
        """Return the row, None when there is none."""
        return self._rows.get(partition, {}).get(key)

    def items(self, partition: int) -> Iterator[tuple[str, RowT]]:
        """Yield the rows of a partition."""
        yield from self._rows.get(partition, {}).items()

    async def put(self, partition: int, key: str, row: RowT) -> None:
        """Write a row; returns once Kafka has acknowledged its changelog record."""
        async with self._lock(partition, key):
            await self._log(partition, key, self._encode(row))
            self._set(partition, key, row)

    async def delete(self, partition: int, key: str, *, only: RowT | None = None) -> None:
        """Delete a row, or leave it when it is no longer the one given by `only`; returns once Kafka knows."""
        async with self._lock(partition, key):
            current = self.get(partition, key)
            if current is None or (only is not None and current is not only):
                return
            await self._log(partition, key, None)
            self._discard(partition, key)

    def apply(self, partition: int, key: bytes | None, value: bytes | None) -> None:
        """Apply a changelog record at recovery; one that does not decode is skipped and counted."""
        try:
            name = (key or b"").decode()
            row = None if value is None else self._decode(value)
        except (UnicodeDecodeError, msgspec.DecodeError):
            self._on_skipped()
            return
        if row is None:
            self._discard(partition, name)
        else:
            self._set(partition, name, row)

    def keep_only(self, partitions: set[int]) -> None:
        """Drop the rows of every partition but these."""
        for partition in self._rows.keys() - partitions:
            del self._rows[partition]
            if self._observer is not None:
                self._observer.drop(partition)

    async def _log(self, partition: int, key: str, value: bytes | None) -> None:
        await self._send(self.changelog, key=key.encode(), value=value, partition=partition)

    def _set(self, partition: int, key: str, row: RowT) -> None:
        self._rows.setdefault(partition, {})[key] = row
        if self._observer is not None:
            self._observer.put(partition, key, row)

    def _discard(self, partition: int, key: str) -> None:
        self._rows.get(partition, {}).pop(key, None)
        if self._observer is not None:
            self._observer.remove(partition, key)

    def _lock(self, partition: int, key: str) -> asyncio.Lock:
        return self._locks.setdefault((partition, key), asyncio.Lock())
