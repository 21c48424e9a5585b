"""Records that Kafka has acknowledged before anyone is told so.

librdkafka works in threads of its own and reports deliveries when it is polled. One thread polls; all reports of a
poll wake the event loop once. (confluent-kafka's AIOProducer waits at least 100 ms for a batch, measured.)
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol

from confluent_kafka import KafkaError, KafkaException

from stream.failures import Reason, Retryable
from stream.kafka import Config, producer_config
from stream.messages import Attachment, encode
from stream.settings import BridgeSettings
from stream.telemetry import Metrics

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS: Final = 5.0  # Genesys tries again 5 s after a 5xx
POLL_SECONDS: Final = 0.1
QUEUE_KIBIBYTES: Final = 262_144
RECONNECT_MS: Final = 1_000  # librdkafka's own 10 s would refuse webhooks long after Kafka is back


class KafkaProducer(Protocol):
    """The part of confluent_kafka.Producer that is used."""

    def produce(self, topic: str, value: bytes, key: bytes, *, on_delivery: Callable[[Any, Any], None]) -> None:
        """Queue a record; raises BufferError when the queue is full."""

    def poll(self, timeout: float) -> int:
        """Report deliveries, waiting for the first."""

    def flush(self, timeout: float) -> int:
        """Wait until the queue is empty; return what is left."""

    def purge(self) -> None:
        """Give up what is queued and in flight; each is reported as an error."""

    def close(self) -> object:
        """End librdkafka's threads."""


@dataclass(eq=False, slots=True)
class _Batch:
    """The records of one request: all acknowledged, or not."""

    event_ids: list[str]
    unreported: int
    settled: asyncio.Future[KafkaError | None]
    error: KafkaError | None = None


def bridge_producer_config(settings: BridgeSettings) -> Config:
    """Return the configuration of the bridge's producer.

    librdkafka looks for records that timed out once a second, so it is given less time than the waiting request: most
    records whose request is answered 503 are then out of its queue.
    """
    timeout_ms = settings.bridge_delivery_timeout_seconds * 1000
    return producer_config(settings, client_id="bridge") | {
        "linger.ms": settings.bridge_linger_ms,
        "message.timeout.ms": int(max(timeout_ms - 1000, timeout_ms / 2)),
        "queue.buffering.max.messages": settings.bridge_queue_records,
        "queue.buffering.max.kbytes": QUEUE_KIBIBYTES,
        "reconnect.backoff.max.ms": RECONNECT_MS,
    }


class AttachmentProducer:
    """Sends attachments to one topic, keyed by conversation id.

    All but the reports is to be called from the loop that ran `start`. After a fatal error of librdkafka the producer
    is useless: `on_fatal` is called once, on the loop.
    """

    def __init__(
        self,
        producer: KafkaProducer,
        *,
        topic: str,
        queue_records: int,
        ack_timeout_seconds: float,
        metrics: Metrics,
        clock: Callable[[], float],
        on_fatal: Callable[[], None],
    ) -> None:
        self._producer = producer
        self._topic = topic
        self._queue_records = queue_records
        self._ack_timeout_seconds = ack_timeout_seconds
        self._metrics = metrics
        self._clock = clock
        self._on_fatal = on_fatal
        self._fatal = False
        self._open: set[_Batch] = set()
        self._unreported = 0
        self._reports: deque[tuple[_Batch, KafkaError | None]] = deque()
        self._wake_scheduled = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="kafka-poll", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        metrics.bridge_queue_records.set_function(lambda: self._unreported)

    def start(self) -> None:
        """Start to poll; needs no Kafka."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    @property
    def unsent(self) -> list[str]:
        """Event ids of records that Kafka has neither taken nor refused."""
        return [event_id for batch in self._open for event_id in batch.event_ids]

    async def send(self, attachments: Sequence[Attachment]) -> None:
        """Return when Kafka has acknowledged all of the attachments.

        Raises:
            Retryable: Not all were acknowledged; some may have been, or may be later.
        """
        if self._unreported + len(attachments) > self._queue_records:
            raise self._full()
        started_at = self._clock()
        batch = self._produce(attachments)
        error = await self._report_of(batch)
        if error is not None:
            raise _undelivered(str(error))
        self._metrics.bridge_records.inc(len(attachments))
        self._metrics.bridge_produce_seconds.observe(self._clock() - started_at)

    def give_up(self) -> list[str]:
        """Purge what is not acknowledged, so that its requests are answered; return the event ids."""
        unsent = self.unsent
        self._producer.purge()
        return unsent

    async def close(self, timeout_seconds: float) -> list[str]:
        """Flush, stop polling and end librdkafka; return the event ids that could not be sent in time."""
        left = await asyncio.to_thread(self._producer.flush, timeout_seconds)
        unsent = self.give_up() if left else []
        self._stopping.set()
        await asyncio.to_thread(self._thread.join)
        await asyncio.to_thread(self._producer.flush, POLL_SECONDS)
        await asyncio.to_thread(self._producer.close)
        return unsent

    def _produce(self, attachments: Sequence[Attachment]) -> _Batch:
        event_ids = [attachment.event_id for attachment in attachments]
        batch = _Batch(event_ids, len(attachments), asyncio.get_running_loop().create_future())
        self._open.add(batch)
        self._unreported += len(attachments)
        for done, attachment in enumerate(attachments):
            try:
                self._enqueue(attachment, batch)
            except Retryable:
                self._forget(batch, len(attachments) - done)
                raise
        return batch

    def _enqueue(self, attachment: Attachment, batch: _Batch) -> None:
        key = attachment.conversation_id.encode()
        try:
            self._producer.produce(self._topic, encode(attachment), key, on_delivery=partial(self._reported, batch))
        except BufferError as error:
            raise self._full() from error
        except KafkaException as error:
            self._look_for_fatal(error.args[0])
            raise _undelivered(str(error.args[0])) from error

    async def _report_of(self, batch: _Batch) -> KafkaError | None:
        try:
            async with asyncio.timeout(self._ack_timeout_seconds):
                return await batch.settled
        except TimeoutError as error:
            raise _undelivered("no acknowledgement in time") from error

    def _reported(self, batch: _Batch, error: KafkaError | None, _record: object) -> None:
        """Take a report on whatever thread polls; the loop is woken once for all that come meanwhile."""
        self._reports.append((batch, error))
        if not self._wake_scheduled and self._loop is not None:
            self._wake_scheduled = True
            self._loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        self._wake_scheduled = False  # before the reports are taken, so that none comes unseen
        while self._reports:
            batch, error = self._reports.popleft()
            batch.error = batch.error or error
            self._forget(batch, 1)
            if error is not None:
                self._look_for_fatal(error)

    def _forget(self, batch: _Batch, records: int) -> None:
        self._unreported -= records
        batch.unreported -= records
        if batch.unreported > 0:
            return
        self._open.discard(batch)
        if not batch.settled.done():
            batch.settled.set_result(batch.error)

    def _look_for_fatal(self, error: KafkaError) -> None:
        if self._fatal or not (error.fatal() or error.code() == KafkaError._FATAL):  # noqa: SLF001 - its public name
            return
        self._fatal = True
        logger.critical("kafka.fatal", extra={"reason": str(error)})
        self._on_fatal()

    def _poll(self) -> None:
        while not self._stopping.is_set():
            self._producer.poll(POLL_SECONDS)

    def _full(self) -> Retryable:
        return Retryable(Reason.KAFKA_QUEUE_FULL, "Too many records wait for Kafka", RETRY_AFTER_SECONDS)


def _undelivered(why: str) -> Retryable:
    return Retryable(Reason.KAFKA_UNAVAILABLE, f"Kafka has not acknowledged: {why}", RETRY_AFTER_SECONDS)
