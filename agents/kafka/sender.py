"""Sends records through Faust's producer and returns once Kafka holds them."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import faust
from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from faust.exceptions import ProducerSendError
from faust.types import TP

from agents.kafka.lane import PARTITION
from stream.failures import Reason, Refused
from stream.records.headers import RecordHeaders

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 1.0
"""Between two tries of one send while Kafka is away."""


class Send(Protocol):
    """Sends one record and returns once every in-sync replica has it."""

    async def __call__(
        self,
        topic: str,
        *,
        key: bytes | None,
        value: bytes | None,
        partition: int | None = None,
        headers: RecordHeaders | None = None,
    ) -> None:
        """Send; without a partition the key decides, by murmur2 as in every other client."""


class Append(Protocol):
    """Appends one record to a table's changelog and returns its offset once every in-sync replica has it."""

    async def __call__(self, topic: str, *, key: bytes, value: bytes | None, partition: int) -> int:
        """Append; a value of None is a tombstone."""


class Sender:
    """`Send` over Faust's producer.

    While Kafka is away it tries again until it is cancelled: a record that was promised is never given up, and a
    second copy is harmless because every record carries its event id. `waiting` counts what jobs send,
    by the partition of their records.
    """

    def __init__(
        self,
        app: faust.App,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        may_append: Callable[[], None] = lambda: None,
    ) -> None:
        """Take the app; `may_append` raises Held while the partitions may be another worker's, see lease.py."""
        self._app = app
        self._sleep = sleep
        self._may_append = may_append
        self.waiting = Counter[TP]()

    async def __call__(
        self,
        topic: str,
        *,
        key: bytes | None,
        value: bytes | None,
        partition: int | None = None,
        headers: RecordHeaders | None = None,
    ) -> None:
        """Send one record; blocks while Kafka is away.

        Raises:
            Refused: The record is larger than its topic takes.
            KafkaError: Kafka refuses the record for good.
        """
        await self._sent(topic, key, value, partition, headers or [], may_send=lambda: None)

    async def append(self, topic: str, *, key: bytes, value: bytes | None, partition: int) -> int:
        """Send one record and return its offset, else as a call.

        Each try asks whether the partition is still ours: a row that was written later would overwrite the new owner's,
        above all the tombstone of a post that was given up would delete the row that says that it was made.

        Raises:
            Held: Of `may_append`.
        """
        offset: int = (await self._sent(topic, key, value, partition, [], may_send=self._may_append)).offset
        return offset

    async def _sent(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int | None,
        headers: RecordHeaders,
        *,
        may_send: Callable[[], None],
    ) -> Any:
        of_job = PARTITION.get(None)
        if of_job is not None:
            self.waiting[of_job] += 1
        try:
            while True:
                may_send()
                try:
                    sent = await self._app.producer.send(topic, key, value, partition, None, headers)
                    return await sent
                except (KafkaError, ProducerSendError) as error:
                    _raise_for_good(topic, error)
                    logger.warning("kafka_send_failed", extra={"topic": topic, "error": repr(error)})
                    await self._sleep(PAUSE_SECONDS)
        finally:
            if of_job is not None:
                self.waiting[of_job] -= 1


def _raise_for_good(topic: str, error: Exception) -> None:
    cause = error.__cause__ if isinstance(error, ProducerSendError) else error
    if isinstance(cause, MessageSizeTooLargeError):
        raise Refused(Reason.RECORD_TOO_LARGE, f"a record for {topic}: {cause}") from error
    if isinstance(cause, KafkaError) and not cause.retriable:
        raise cause from error
