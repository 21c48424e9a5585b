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

from stream.arrival import Arrival
from stream.failures import Reason, Retryable
from stream.kafka.clients import Config, producer_config
from stream.messages import Attachment
from stream.records.attachments import OutgoingRecord, record_of
from stream.settings import BridgeSettings
from stream.telemetry import Metrics

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS: Final = 5.0  # Genesys tries again 5 s after a 5xx
POLL_SECONDS: Final = 0.1
QUEUE_KIBIBYTES: Final = 262_144
# What Kafka will not take tomorrow either.
REFUSED: Final = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_RECORD})
RECONNECT_MS: Final = 1_000  # librdkafka's own 10 s would refuse webhooks long after Kafka is back


class KafkaProducer(Protocol):
    """The part of confluent_kafka.Producer that is used."""

    def produce(
        self, topic: str, value: bytes, key: bytes, *, headers: Any, on_delivery: Callable[[Any, Any], None]
    ) -> None:
        """Queue a record; raises BufferError when the queue is full."""

    def poll(self, timeout: float) -> int:
        """Report deliveries, waiting for the first."""

    def flush(self, timeout: float) -> int:
        """Wait until the queue is empty; return what is left."""

    def purge(self, in_queue: bool = ..., in_flight: bool = ...) -> None:  # noqa: FBT001 - as it is there
        """Give up what is queued, in flight, or both; each is reported as an error."""

    def close(self) -> object:
        """End librdkafka's threads."""


@dataclass(eq=False, slots=True)
class _Batch:
    """The records of one request: all acknowledged, or not."""

    records: Sequence[OutgoingRecord]
    unreported: int
    deadline: float
    settled: asyncio.Future[None]
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
        self._open: dict[_Batch, None] = {}  # oldest first
        self._waiting: deque[_Batch] = deque()  # the same, as far as a request may still wait for it
        self._expiry: asyncio.TimerHandle | None = None
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
        return [record.event_id for batch in self._open for record in batch.records]

    def can_wait(self) -> bool:
        """Whether events can be accepted although Kafka is away."""
        return False

    async def send(self, attachments: Sequence[Attachment], arrival: Arrival) -> None:
        """Return when Kafka has acknowledged all of the attachments.

        Raises:
            Retryable: Not all were acknowledged; some may have been, or may be later.
        """
        await self.deliver([record_of(attachment, arrival) for attachment in attachments])

    async def deliver(self, records: Sequence[OutgoingRecord]) -> None:
        """Do as `send` with what are records already."""
        if self._unreported + len(records) > self._queue_records:
            raise self._full()
        started_at = self._clock()
        await self._produce(records, started_at).settled
        self._metrics.bridge_records.inc(len(records))
        self._metrics.bridge_produce_seconds.observe(self._clock() - started_at)

    def fail(self) -> None:
        """Tell once that the producer is of no more use."""
        if not self._fatal:
            self._fatal = True
            self._on_fatal()

    def give_up_queued(self) -> None:
        """Purge what has not been sent to a broker yet, so that its requests are answered."""
        self._producer.purge(in_queue=True, in_flight=False)

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

    def _produce(self, records: Sequence[OutgoingRecord], now: float) -> _Batch:
        settled = asyncio.get_running_loop().create_future()
        batch = _Batch(records, len(records), now + self._ack_timeout_seconds, settled)
        self._open[batch] = None
        self._unreported += len(records)
        for done, record in enumerate(records):
            try:
                self._enqueue(record, batch)
            except Retryable:
                settled.cancel()
                self._forget(batch, len(records) - done)
                raise
        self._waiting.append(batch)
        if self._expiry is None:
            self._expire()
        return batch

    def _enqueue(self, record: OutgoingRecord, batch: _Batch) -> None:
        report = partial(self._reported, batch)
        try:
            self._producer.produce(self._topic, record.value, record.key, headers=record.headers, on_delivery=report)
        except BufferError as error:
            raise self._full() from error
        except KafkaException as error:
            self._look_for_fatal(error.args[0])
            raise _undelivered(error.args[0]) from error

    def _expire(self) -> None:
        """Answer the requests that have waited long enough; one timer for all costs less than one for each."""
        now = self._clock()
        while self._waiting and (self._waiting[0].settled.done() or self._waiting[0].deadline <= now):
            batch = self._waiting.popleft()
            if not batch.settled.done():
                batch.settled.set_exception(_undelivered("no acknowledgement in time"))
        self._expiry = None
        if self._waiting:
            delay = self._waiting[0].deadline - now
            self._expiry = asyncio.get_running_loop().call_later(delay, self._expire)

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
        while self._waiting and self._waiting[0].settled.done():
            self._waiting.popleft()

    def _forget(self, batch: _Batch, records: int) -> None:
        self._unreported -= records
        batch.unreported -= records
        if batch.unreported > 0:
            return
        del self._open[batch]
        if batch.settled.done():
            return
        if batch.error is None:
            batch.settled.set_result(None)
        else:
            batch.settled.set_exception(_undelivered(batch.error))

    def _look_for_fatal(self, error: KafkaError) -> None:
        if self._fatal or not (error.fatal() or error.code() == KafkaError._FATAL):  # noqa: SLF001 - its public name
            return
        logger.critical("kafka.fatal", extra={"reason": str(error)})
        self.fail()

    def _poll(self) -> None:
        while not self._stopping.is_set():
            self._producer.poll(POLL_SECONDS)

    def _full(self) -> Retryable:
        return Retryable(Reason.KAFKA_QUEUE_FULL, "Too many records wait for Kafka", RETRY_AFTER_SECONDS)


def _undelivered(why: KafkaError | str) -> Retryable:
    refused = isinstance(why, KafkaError) and why.code() in REFUSED
    reason = Reason.KAFKA_REFUSED if refused else Reason.KAFKA_UNAVAILABLE
    return Retryable(reason, f"Kafka has not acknowledged: {why}", RETRY_AFTER_SECONDS)
