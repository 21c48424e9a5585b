"""The producer with the spool behind it: while Kafka is away, events wait on disk, and go on in order."""

import asyncio
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from stream.arrival import Arrival
from stream.failures import Reason, Retryable
from stream.kafka.producer import AttachmentProducer
from stream.kafka.spool import Head, Spool
from stream.messages import Attachment
from stream.records.attachments import OutgoingRecord, record_of
from stream.settings import BridgeSettings
from stream.telemetry import Metrics

logger = logging.getLogger(__name__)

BATCH_RECORDS: Final = 500
PAUSE_SECONDS: Final = 1.0
DISK_SECONDS: Final = 1.0  # with BRIDGE_DELIVERY_TIMEOUT_SECONDS, the longest that a sender waits
RETRY_AFTER_SECONDS: Final = 5.0


class SpooledProducer:
    """Sends to Kafka while the spool is empty; else everything goes through it, so that nothing overtakes.

    Requests that were outstanding together when Kafka went away have no order among themselves. Copies are possible: a
    record that was given up may have reached Kafka all the same, and is sent again from the spool with the same id.
    """

    def __init__(self, producer: AttachmentProducer, spool: Spool, *, queue_records: int, metrics: Metrics) -> None:
        self._producer = producer
        self._spool = spool
        self._batch_records = min(queue_records, BATCH_RECORDS)
        self._stopping = asyncio.Event()
        self._held = asyncio.Event()
        self._drainer: asyncio.Task[None] | None = None
        metrics.bridge_spool_records.set_function(lambda: spool.records)
        metrics.bridge_spool_bytes.set_function(lambda: spool.size_bytes)
        metrics.bridge_spool_oldest_seconds.set_function(lambda: spool.oldest_seconds)

    @property
    def unsent(self) -> list[str]:
        """Event ids that would be lost with the process: none, they are in the spool or were not accepted."""
        return []

    def can_wait(self) -> bool:
        """Whether events can be accepted although Kafka is away."""
        return not self._spool.is_full

    def start(self) -> None:
        """Start to poll and to drain what an earlier process left; needs no Kafka."""
        self._producer.start()
        if not self._spool.is_empty:
            logger.warning("spool.found", extra=self._size())
            self._held.set()
        self._drainer = asyncio.create_task(self._drain())
        self._drainer.add_done_callback(self._look_for_failure)

    async def send(self, attachments: Sequence[Attachment], arrival: Arrival) -> None:
        """Return when Kafka has acknowledged all of the attachments, or the disk holds them.

        Raises:
            Retryable: Neither; some may be in Kafka or on disk all the same.
        """
        records = [record_of(attachment, arrival) for attachment in attachments]
        if not (self._spool.is_empty and await self._delivered(records)):
            await self._keep(records)

    def give_up(self) -> list[str]:
        """Purge what is not acknowledged, so that its requests go to the spool and are answered."""
        self._producer.give_up()
        return []

    async def close(self, timeout_seconds: float) -> list[str]:
        """End the producer and let the spool go; what it holds stays, is told, and is sent by the next process."""
        self._stopping.set()
        if self._drainer is not None:
            await asyncio.wait([self._drainer], timeout=timeout_seconds / 2)
            self._drainer.cancel()
        await self._producer.close(timeout_seconds / 2)
        if self._spool.is_empty:
            logger.info("spool.empty")
        else:
            logger.warning("spool.left", extra=self._size())
        await self._spool.close()
        return []

    async def _delivered(self, records: Sequence[OutgoingRecord]) -> bool:
        try:
            await self._producer.deliver(records)
        except Retryable as failure:
            if failure.reason is not Reason.KAFKA_UNAVAILABLE:
                raise
            self._kafka_is_away(failure)
            return False
        return True

    async def _keep(self, records: Sequence[OutgoingRecord]) -> None:
        try:
            async with asyncio.timeout(DISK_SECONDS):
                await self._spool.append(records)
        except TimeoutError as error:
            message = "Kafka is away and the spool's disk does not answer"
            raise Retryable(Reason.KAFKA_UNAVAILABLE, message, RETRY_AFTER_SECONDS) from error
        self._held.set()

    def _kafka_is_away(self, failure: Retryable) -> None:
        if not self._spool.is_empty:  # an earlier one of the requests that failed together has said so
            return
        logger.warning("spool.begun", extra={"why": failure.message})
        self._producer.give_up_queued()  # what librdkafka has not sent comes to the spool now, ahead of what is newer

    async def _drain(self) -> None:
        limit = self._batch_records
        while await self._wanted(self._held):
            head = await self._spool.head(limit)
            if not head.records:
                self._held.clear()
                if self._spool.is_empty:
                    logger.warning("spool.drained")
            elif await self._sent(head):
                limit = self._batch_records
            else:
                limit = 1  # one record is enough to find out that Kafka is back

    def _look_for_failure(self, ended: asyncio.Task[None]) -> None:
        """Let another process try what this one cannot read: events would wait on disk for ever, unseen."""
        if not ended.cancelled() and ended.exception() is not None:
            logger.critical("spool.unreadable", exc_info=ended.exception())
            self._producer.fail()

    async def _sent(self, head: Head) -> bool:
        try:
            await self._producer.deliver(head.records)
        except Retryable as failure:
            first = head.records[0].event_id
            logger.warning("spool.waiting", extra={"why": failure.message, "first_event_id": first, **self._size()})
            await self._wanted(asyncio.Event(), PAUSE_SECONDS)
            return False
        await self._spool.drop(head)
        return True

    async def _wanted(self, event: asyncio.Event, timeout_seconds: float | None = None) -> bool:
        """Wait for an event, the timeout or the end; tell whether it is not the end."""
        waits = [asyncio.ensure_future(one.wait()) for one in (event, self._stopping)]
        try:
            await asyncio.wait(waits, timeout=timeout_seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return not self._stopping.is_set()

    def _size(self) -> dict[str, float]:
        return {
            "records": self._spool.records,
            "bytes": self._spool.size_bytes,
            "oldest_seconds": round(self._spool.oldest_seconds, 1),
        }


def spooled(producer: AttachmentProducer, settings: BridgeSettings, metrics: Metrics) -> SpooledProducer:
    """Put the spool of the settings behind a producer.

    Raises:
        WrongSettingError: The folder cannot be used, or another process uses it.
    """
    folder = Path(settings.bridge_spool_dir)
    spool = Spool.open(folder, max_bytes=settings.bridge_spool_max_bytes, clock=time.time)
    return SpooledProducer(producer, spool, queue_records=settings.bridge_queue_records, metrics=metrics)
