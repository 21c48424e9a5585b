"""Faust's tables, mended: how rows are read back from their changelog when partitions are assigned.

The consumer hands over what it has fetched of a changelog as it is: Faust's own way of a record, through an event and
a queue, costs many times as much. Stock 0.15.3 keeps its own count of what it has read, which outlives the rows it
counts; it may take a recovery that a rebalance interrupts for a complete one; it waits for ever for a changelog that
ends with a transaction's marker; and what it read of a partition that moved away meanwhile goes to whichever table was
read last.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple, Protocol

import faust
from aiokafka.errors import IllegalStateError
from faust.stores.memory import Store as MemoryStore
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery as StockRecovery
from faust.tables.recovery import ServiceStopped
from faust.types import TP
from mode import Service

from agents.garbage import freeze
from agents.kafka.consumer import FAUST_LOGGER
from agents.tables.shelves import NOWHERE

LOOK_SECONDS: Final = 0.5
"""Between two looks at a recovery that gets no more records."""


class Recovered(NamedTuple):
    """A changelog record that is read back."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


class Follower(Protocol):
    """Rows that follow a changelog; agents/tables/rows.py."""

    @property
    def changelog(self) -> str:
        """Return the name of the changelog topic."""

    def reach(self, partition: int) -> int | None:
        """Return the offset up to which the rows follow it, -1 for none of it, None for a partition not owned."""

    def own(self, partitions: set[int]) -> None:
        """Put away every partition but these; open those that are new."""

    def apply(self, records: Iterable[Recovered]) -> None:
        """Apply records that were read back, in order; never raises for what is in them."""

    def complete(self, partition: int, offset: int) -> None:
        """Note that all is read back that was in the changelog when the partitions were assigned."""

    def start_over(self, partition: int, reason: str) -> None:
        """Drop the rows of a partition; its whole changelog is to be read."""

    def close(self) -> None:
        """Put away every partition."""


class Store(MemoryStore[bytes, bytes]):
    """Lets the rows know of rebalances; it holds nothing itself."""

    logger = FAUST_LOGGER
    rows: Follower

    def persisted_offset(self, tp: TP) -> int | None:
        """Return how far the rows follow the changelog, on disk or in memory."""
        return self.rows.reach(tp.partition)

    async def on_rebalance(self, assigned: Any, revoked: Any, newly_assigned: Any, generation_id: int = 0) -> None:  # noqa: ARG002 - Faust's signature
        """Own what is assigned: the rows themselves know how far each partition has come."""
        self.rows.own({tp.partition for tp in assigned if tp.topic == self.rows.changelog})

    async def on_stop(self) -> None:
        """Put the rows away: what runs is drained by now."""
        self.rows.close()


class Table(faust.Table[bytes, bytes]):
    """The table that Faust sees of some rows: a changelog to assign and to read back."""

    logger = FAUST_LOGGER

    def __init__(self, app: faust.App, *, name: str, partitions: int, rows: Follower) -> None:
        super().__init__(app, name=name, partitions=partitions, key_type=bytes, value_type=bytes)
        self.rows = rows

    def _new_store(self) -> Store:
        store = Store("memory://", self.app, self, table_name=self.name, loop=self.loop)
        store.rows = self.rows
        return store


class Recovery(StockRecovery):
    """Reads back what the rows lack, and calls them ready only when nothing is missing and they are still ours."""

    logger = FAUST_LOGGER
    app: Any  # Faust's own type is AppT

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._rebalances = 0
        self._at_end: set[TP] = set()  # read to their end, although the last offset is no record's

    async def on_rebalance(self, assigned: Any, revoked: Any, newly_assigned: Any, generation_id: int = 0) -> None:
        """Begin a recovery of what is assigned."""
        self._rebalances = self.app.rebalancing_count
        self._at_end.clear()
        self.app.rebalances.assigned()
        await super().on_rebalance(assigned, revoked, newly_assigned, generation_id)

    def _add(self, table: Any, tp: TP, offsets: Any) -> None:
        self.tp_to_table[tp] = table
        offsets[tp] = table.persisted_offset(tp)  # not what Faust has seen: its rows may be gone since

    async def _build_offsets(self, consumer: Any, tps: set[TP], destination: Any, title: str) -> None:
        earliest = await consumer.earliest_offsets(*tps)
        for tp in tps:
            table, reach = self.tp_to_table[tp], destination[tp]
            if not isinstance(table, Table) or reach is None:
                continue
            if not earliest[tp] - 1 <= reach <= self.active_highwaters[tp]:
                table.rows.start_over(tp.partition, f"the changelog has not offset {reach}")
                destination[tp] = None
        await super()._build_offsets(consumer, tps, destination, title)

    async def on_recovery_completed(self, generation_id: int = 0) -> None:
        """Let the streams flow, unless the next rebalance has begun: then its own recovery will.

        In place of Faust's, which does not look for a rebalance whose revocation has begun, nor again after the seek.
        """
        if self._overtaken(generation_id):
            return
        app, consumer = self.app, self.app.consumer
        await app.on_rebalance_complete.send()
        self._set_recovery_ended()
        for tp in self.active_tps:
            if isinstance(table := self.tp_to_table[tp], Table):
                table.rows.complete(tp.partition, self.active_highwaters[tp])
        assignment = consumer.assignment()
        consumer.resume_partitions({tp for tp in assignment if not self._is_changelog_tp(tp)})
        if assignment:
            await self._wait(consumer.perform_seek(), timeout=app.conf.broker_request_timeout)
        if self._overtaken(generation_id):
            return
        # What was read back stays: each full collection would look at the index of every row, 90 ms for a million.
        freeze()
        self.completed.set()
        app.flow_control.resume()
        consumer.resume_flow()
        await app._fetcher.maybe_start()  # noqa: SLF001 - as Faust does
        self.tables.on_actives_ready()
        self.tables.on_standbys_ready()
        app.on_rebalance_end()
        self.log.info("Worker ready")

    async def _wait(self, coro: Any, timeout: Any = None) -> None:  # noqa: ASYNC109 - Faust's signature
        """Wait, and end the worker when it takes too long.

        Faust takes an expired timeout for its own end: it reads back nothing ever again, and the worker keeps its
        partitions and never works on them.
        """
        try:
            await super()._wait(coro, timeout)
        except ServiceStopped as stopped:
            if self.should_stop:
                raise
            raise TimeoutError(f"Kafka did not answer a recovery within {timeout:g} s") from stopped

    def need_recovery(self) -> bool:
        """Return whether a partition is not read to its end."""
        return any(left > 0 for tp, left in self.active_remaining().items() if tp not in self._at_end)

    def _overtaken(self, generation_id: int) -> bool:
        return bool(
            self.signal_recovery_start.is_set()
            or self.app.consumer_generation_id != generation_id
            or self.app.rebalancing_count != self._rebalances
        )

    def read_back(self, tp: TP, records: Sequence[Any]) -> None:
        """Apply what was fetched of a changelog, raw: Faust's stores would decode it, and stop at a foreign record.

        Records that were fetched before a rebalance may be of a partition that is not ours, or lie before its rows.
        """
        table = self.tp_to_table.get(tp)
        if tp in self.active_tps and isinstance(table, Table):
            seen = self._seen(tp)
            new = [Recovered(tp.partition, one.offset, one.key, one.value) for one in records if one.offset > seen]
            if new:
                self.active_offsets[tp] = new[-1].offset
                table.rows.apply(new)
        self._end_if_all_is_read()

    @Service.task
    async def _slurp_changelogs(self) -> None:
        """Do nothing, in place of what reads Faust's queue: nothing is put there, see `read_back`."""

    def _seen(self, tp: TP) -> int:
        offset: int | None = self.active_offsets[tp]
        return NOWHERE if offset is None else offset

    def _end_if_all_is_read(self) -> None:
        if self.in_recovery and not self.need_recovery():
            self.signal_recovery_end.set()
            self.signal_recovery_end.clear()  # who waits has been told; the next recovery must not be

    @Service.task
    async def _look_for_ends(self) -> None:
        before: dict[TP, int] = {}
        while not self.should_stop:
            await self.sleep(LOOK_SECONDS)
            behind = {tp: self.active_offsets[tp] for tp, left in self.active_remaining().items() if left > 0}
            if self.in_recovery:
                for tp in [tp for tp, seen in behind.items() if before.get(tp) == seen]:
                    await self._look_for_end(tp)
            self._end_if_all_is_read()
            before = behind

    async def _look_for_end(self, tp: TP) -> None:
        """See whether what is left are offsets without a record: markers of transactions, which nobody is given."""
        try:
            position = await self.app.consumer.position(tp)
        except IllegalStateError:  # the next rebalance has begun
            return
        if position is None or position <= self.active_highwaters[tp] or not self.in_recovery:
            return
        self._at_end.add(tp)


class Tables(TableManager):
    """Faust's table manager with the mended recovery."""

    logger = FAUST_LOGGER

    @property
    def recovery(self) -> Recovery:
        """Return the recovery service, made when it is first asked for."""
        if not isinstance(self._recovery, Recovery):
            self._recovery = Recovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery
