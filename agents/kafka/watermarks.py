"""Watermarks: where partitions begin and end, asked of Kafka itself now and then.

What the consumer learns by fetching grows stale as soon as it fetches no more, as of a partition whose lane is held:
its backlog would seem to stay as it was. A client of its own asks, in a thread: what it waits for holds up nothing.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, NamedTuple

from confluent_kafka import IsolationLevel, KafkaException, TopicPartition, admin
from confluent_kafka.admin import AdminClient
from faust.types import TP

from agents.settings import WorkerSettings
from stream.kafka.clients import checked, client_config

logger = logging.getLogger(__name__)

ANSWER_SECONDS: Final = 2.0
SPECS: Final[Any] = admin
"""Where the kinds of offsets are; the module does not say that it exports them."""


class Span(NamedTuple):
    """The offset of a partition's first record, and the one that comes next."""

    begin: int
    end: int


Ask = Callable[[Collection[TP]], Mapping[TP, Span]]
"""Blocks; raises KafkaException where Kafka does not answer."""


class Watermarks:
    """The spans of partitions as they were when they were last asked for."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._spans: Mapping[TP, Span] = {}

    async def look(self, owned: Collection[TP]) -> None:
        """Ask for the spans of these partitions; what is known stays where Kafka does not answer."""
        try:
            self._spans = await asyncio.to_thread(self._ask, owned) if owned else {}
        except KafkaException as error:
            logger.debug("watermarks.unknown", extra={"reason": str(error)})

    def end(self, tp: TP) -> int | None:
        """Return the offset that came next in a partition, None where it is not known."""
        span = self._spans.get(tp)
        return span.end if span else None

    def records(self, topic: str) -> int:
        """Return how many offsets lie between beginnings and ends of a topic's partitions that were asked for."""
        return sum(span.end - span.begin for tp, span in self._spans.items() if tp.topic == topic)


def asking(settings: WorkerSettings) -> Ask:
    """Return a way to ask, with a client that is made when it is first used."""
    config = client_config(settings, client_id="worker-watermarks") | {"log_level": 0}
    clients: list[AdminClient] = []

    def ask(owned: Collection[TP]) -> Mapping[TP, Span]:
        if not clients:
            clients.append(checked(lambda: AdminClient(config)))
        kinds = SPECS.OffsetSpec.earliest(), SPECS.OffsetSpec.latest()
        begins, ends = (_offsets(clients[0], owned, kind) for kind in kinds)
        return {tp: Span(begins[tp], ends[tp]) for tp in owned}

    return ask


def _offsets(client: AdminClient, owned: Collection[TP], kind: Any) -> dict[TP, int]:
    wanted: dict[Any, Any] = {TopicPartition(tp.topic, tp.partition): kind for tp in owned}
    answers = client.list_offsets(wanted, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=ANSWER_SECONDS)
    return {TP(asked.topic, asked.partition): answer.result().offset for asked, answer in answers.items()}
