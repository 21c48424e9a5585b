"""Faust's consumer, mended: every way in which stock 0.15.3 lost records that docs/faust.md lists.

tests/losses reproduces each loss on the stock classes and shows that these do not have it.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from typing import Any, Protocol

from aiokafka.errors import CorruptRecordException, IllegalStateError, KafkaError
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from agents.kafka.coordinator import know_topics, renew
from agents.kafka.header_names import forgive
from agents.kafka.lease import Lease
from agents.kafka.offsets import Offsets
from agents.kafka.room import Rooms

FAUST_LOGGER = logging.getLogger("faust")
"""For the services that extend Faust's: what they tell is of Faust's inner life."""
FETCH_WAIT_SECONDS = 0.25
"""How long one fetch waits for records; a seek has to wait for the fetch before it."""
BETWEEN_POLLS_SECONDS = 0.01
"""Of which the second would bring a record or two: a poll costs the work of several."""
FETCHED_BYTES = 1024 * 1024
"""Of one answer of a broker, all partitions together; Kafka sends a record that is larger all the same."""


class Drainable(Protocol):
    """What the consumer asks of the app that owns it."""

    offsets: Offsets
    lease: Lease

    @property
    def fed(self) -> Collection[str]:
        """Return the topics whose records go to a lane."""

    async def drain_lanes(self) -> None:
        """Wait, bounded, until no job runs."""

    def resume_lanes(self) -> None:
        """Let the lanes take records again."""

    def rooms(self, active: Collection[TP]) -> Rooms:
        """Return how many records of these partitions may be brought."""

    def take(self, tp: TP, offset: int, timestamp_ms: int | None) -> None:
        """Note that a record is on its way to its lane, if it has one."""

    def read_back(self, tp: TP, records: Sequence[Any]) -> None:
        """Apply what was fetched of a changelog to the rows of its table."""


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """The thread that talks to Kafka; a failed commit is repeated later instead of ending the process."""

    logger = FAUST_LOGGER
    app: Any  # an app that is also Drainable; Faust's own type is AppT

    async def on_start(self) -> None:
        """Start aiokafka's consumer and mend its group coordinator before it joins the group."""
        await super().on_start()
        consumer: Any = self._ensure_consumer()
        renew(consumer._coordinator, self.app.lease)  # noqa: SLF001
        know_topics(consumer)

    def _create_consumer(self, loop: asyncio.AbstractEventLoop) -> Any:
        consumer = super()._create_consumer(loop)
        # Faust has 1,500 without a setting, and Kafka answers one connection's requests in order: after a rebalance
        # ListOffsets and the first fetch of newly resumed partitions would wait behind the fetch that is under way.
        consumer._fetch_max_wait_ms = int(FETCH_WAIT_SECONDS * 1000)  # noqa: SLF001 - read when it starts
        consumer._fetch_max_bytes = FETCHED_BYTES  # noqa: SLF001 - likewise; aiokafka has 50 MiB
        # Other producers may use transactions, and what they take back must not be worked on.
        consumer._isolation_level = "read_committed"  # noqa: SLF001 - likewise; Faust asks for it with its own alone
        return consumer

    def read_to(self, tp: TP) -> int | None:
        """Return the offset that aiokafka hands over next, None for a partition without a position."""
        subscription: Any = self._ensure_consumer()._subscription.subscription  # noqa: SLF001
        owned = subscription and subscription.assignment
        return owned.state_value(tp)._position if owned and tp in owned.tps else None  # noqa: SLF001

    def wake(self) -> None:
        """Let a poll that waits for records return without any; may be called from any thread."""
        with contextlib.suppress(RuntimeError):  # the thread has ended
            self.thread_loop.call_soon_threadsafe(self._end_wait)

    def _end_wait(self) -> None:
        fetcher: Any = self._ensure_consumer()._fetcher  # noqa: SLF001
        for waiter in fetcher._fetch_waiters:  # noqa: SLF001
            fetcher._notify(waiter)  # noqa: SLF001

    async def _fetch_records(
        self,
        consumer: Any,
        active_partitions: Any,
        timeout: float | None = None,  # noqa: ASYNC109 - Faust's signature
        max_records: int | None = None,  # noqa: ARG002 - there is room for so many, or not
    ) -> dict[Any, list[Any]]:
        """Return what aiokafka has of each partition, as far as there is room for it; wait when it has nothing."""
        rooms: Rooms = active_partitions
        fetched = consumer._fetcher._records  # noqa: SLF001
        if not any(tp in rooms for tp in fetched):
            await _next_answer(consumer._fetcher, timeout)  # noqa: SLF001
        brought: dict[Any, list[Any]] = {}
        for tp in [tp for tp in fetched if tp in rooms]:
            if tp in rooms:  # still: lanes have a bound for all their partitions
                records = await self._fetch_of(consumer, tp, rooms.of(tp))
                brought |= records
                rooms.fill(tp, len(records.get(tp, ())))
        return brought

    async def _fetch_of(self, consumer: Any, tp: TP, most: int) -> Mapping[TP, list[Any]]:
        try:
            return await super()._fetch_records(consumer, {tp}, timeout=0, max_records=most)
        except (CorruptRecordException, UnicodeDecodeError):  # what was unpacked before it is unpacked again
            await forgive(consumer._fetcher, tp)  # noqa: SLF001
            return await super()._fetch_records(consumer, {tp}, timeout=0, max_records=most)

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        consumer = self._ensure_consumer()
        assigned = self.assignment()
        wanted = {
            TopicPartition(*tp): OffsetAndMetadata(offset, "") for tp, offset in offsets.items() if tp in assigned
        }
        if not wanted:  # all of them moved away while the producer was flushed; aiokafka refuses to commit nothing
            return False
        try:
            await consumer.commit(wanted)
        except (KafkaError, IllegalStateError) as error:
            # Kafka is away or a rebalance has begun. Nothing is lost: at worst records are delivered again.
            self.log.warning("Offsets are not committed, trying again later: %r", error)
            return False
        return True


def _taken_from(records: Mapping[TP, list[Any]]) -> Iterator[tuple[TP, Any]]:
    """Yield one record of each partition in turn, and let go of it: some that hold the batch outlive its records."""
    for batch in records.values():
        batch.reverse()
    while any(records.values()):
        for tp, batch in records.items():
            if batch:
                yield tp, batch.pop()


async def _next_answer(fetcher: Any, timeout: float | None) -> None:  # noqa: ASYNC109 - as aiokafka's fetched_records
    waiter = fetcher._create_fetch_waiter()  # noqa: SLF001
    await asyncio.wait([waiter], timeout=timeout)
    if waiter.done():
        waiter.result()  # raises what the group's coordinator has to say
    else:
        waiter.cancel()


class Consumer(driver.Consumer):
    """A consumer whose commits, seeks and rebalances lose nothing."""

    logger = FAUST_LOGGER
    app: Any  # an app that is also Drainable; Faust's own type is AppT

    _thread: Any  # a ConsumerThread, which tests replace

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._positions_lock = asyncio.Lock()
        self._positions_epoch = 0
        self._fetched_epoch = 0
        self._poll_at = 0.0
        self._polling: Rooms | None = None
        self._freed = asyncio.Event()

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    # Commits. Stock Faust commits past unfinished records (issue 606) and forgets what was acked before the last
    # commit of a rebalance; the lanes' offsets do neither.

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return (tp for tp in self.app.offsets.partitions() if topics is None or tp in topics or tp.topic in topics)

    def _new_offset(self, tp: TP) -> int | None:
        position: int | None = self.app.offsets.position(tp)
        return position

    def committed(self, tp: TP) -> int:
        """Return the offset up to which the partition was committed when it was assigned or since; 0 for none."""
        return self._committed_offset[tp] or 0

    def read_to(self, tp: TP) -> int | None:
        """Return the offset that aiokafka hands over next, behind markers, too; None for an unknown one."""
        return self._thread.read_to(tp)  # type: ignore[no-any-return]

    async def _commit_offsets(self, offsets: Mapping[TP, int], start_new_transaction: bool = True) -> bool:  # noqa: FBT001, FBT002 - Faust's signature
        before = {tp: self._committed_offset[tp] for tp in offsets}
        committed: bool = await super()._commit_offsets(offsets, start_new_transaction)
        if not committed:  # Faust notes them as committed all the same, and would not try again
            self._committed_offset.update(before)
        return committed

    async def wait_empty(self) -> None:
        """Let the lanes end what runs, bounded, then commit; called by Faust before a rebalance and at the end."""
        await self.app.drain_lanes()
        if self.app.crashed:  # the thread that commits has ended: a call to it fails or never returns
            return
        while await self.maybe_wait_for_commit_to_finish():
            pass  # it began before the last jobs ended, and Faust would take it for the commit that is wanted here
        await self.commit_and_end_transactions()

    # Positions. Records that were fetched before a seek must not be delivered after it: Faust would note their
    # offsets as read and then drop the older records that the seek brings back (issue 596).

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:  # noqa: ASYNC109 - Faust's signature
        """Fetch a batch, hand it to the agents, and yield the rest, unless the positions have moved since."""
        records, active = await self._wait_next_records(min(timeout, FETCH_WAIT_SECONDS))
        epoch = self._fetched_epoch
        if records is None or self.should_stop:
            return
        brought = dict(records)
        for tp in [tp for tp in brought if self._is_changelog_tp(tp)]:
            if not self.flow_active or epoch != self._positions_epoch:
                return
            self.app.read_back(tp, brought.pop(tp))
            await asyncio.sleep(0)
        for tp, record in _taken_from(brought):
            if not self.flow_active or epoch != self._positions_epoch:
                return  # a seek brings the rest back
            if active is None or tp in active or tp in self._buffered_partitions:
                # Faust drops what lies before it. aiokafka goes back by itself where a topic was cut or made anew, and
                # those are new records.
                self._read_offset[tp] = None
                self.app.take(tp, record.offset, record.timestamp)
                self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
                message = self._to_message(tp, record)
                if tp.topic in self.app.fed and self.app.flow_control.is_active():
                    # To its agent at once: there is room, so it waits for nothing. Faust waits for four tasks a record.
                    await self.callback(message)
                else:
                    yield tp, message

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:  # noqa: ASYNC109 - Faust's signature
        await asyncio.sleep(max(0.0, self._poll_at - self.loop.time()))
        async with self._positions_lock:
            # Noted here: until the records arrive above, a seek that waited for this fetch may have moved on.
            self._fetched_epoch = self._positions_epoch
            self._poll_at = self.loop.time() + BETWEEN_POLLS_SECONDS
            self._polling = rooms = self.app.rooms(active_partitions or ())
            self._freed.clear()
            try:
                if rooms:
                    return await super()._getmany(rooms, timeout)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._freed.wait(), timeout)
            finally:
                self._polling = None
            return {}

    def freed(self, tp: TP) -> None:
        """Poll anew, with a partition for whose records there was no room until now."""
        if self._polling is not None and tp not in self._polling and not self._freed.is_set():
            self._freed.set()
            self._thread.wake()

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        """Seek changelogs; rows that were fetched before it would hide the ones that it brings back."""
        async with self._positions_lock:
            self._positions_epoch += 1
            await super().seek_wait(partitions)

    async def perform_seek(self) -> None:
        """Go back to the committed offsets; only records fetched from there on reach the lanes."""
        self.stop_flow()  # the caller resumes it
        async with self._positions_lock:
            self._positions_epoch += 1
            await super().perform_seek()
            self.app.offsets.clear()
        self.app.resume_lanes()

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Seek every partition; where nothing or 0 is committed aiokafka does not move, so go to the beginning."""
        committed: Mapping[TP, int] = await super().seek_to_committed()
        unmoved = [tp for tp, offset in committed.items() if not offset and not self._is_changelog_tp(tp)]
        if unmoved:
            # Not our own seek_wait: perform_seek holds the lock.
            await super().seek_wait({tp: offset or 0 for tp, offset in (await self.earliest_offsets(*unmoved)).items()})
        return committed

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Do nothing: Faust takes a lane that is held for minutes for a hung agent; lanes have their own metrics."""


class Transport(driver.Transport):
    """Faust's Kafka transport with the mended consumer."""

    Consumer = Consumer
