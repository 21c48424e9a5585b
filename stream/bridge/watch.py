"""Whether Kafka can be reached, for /readyz."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final, Protocol

from confluent_kafka import KafkaException

from stream.telemetry import Health

logger = logging.getLogger(__name__)

INTERVAL_SECONDS: Final = 2.0
ANSWER_SECONDS: Final = 2.0
FRESH_SECONDS: Final = 10.0  # two times what a round may take: an older answer says nothing of Kafka


class MetadataClient(Protocol):
    """The part of confluent_kafka.Producer that is used."""

    def list_topics(self, topic: str, timeout: float) -> Any:
        """Ask a broker for a topic's metadata; blocks."""


class KafkaWatch:
    """Asks Kafka for the topic's metadata again and again and turns readiness on and off; also the loop's heartbeat.

    Where events `can_wait` for Kafka elsewhere, the process is ready without it.
    """

    def __init__(
        self,
        client: MetadataClient,
        *,
        topic: str,
        health: Health,
        part: str,
        can_wait: Callable[[], bool] = lambda: False,
    ) -> None:
        self._client = client
        self._topic = topic
        self._health = health
        self._part = part
        self._can_wait = can_wait
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._told: bool | None = None

    def start(self) -> None:
        """Start to ask."""
        self._task = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Ask no more; returns when no call is under way, so that the client can be closed."""
        self._stopping.set()
        if self._task is not None:
            await self._task

    async def _watch(self) -> None:
        while not self._stopping.is_set():
            self._health.beat()
            self._tell(await asyncio.to_thread(self._trouble))
            await self._pause()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(INTERVAL_SECONDS):
                await self._stopping.wait()
        except TimeoutError:
            return

    def _trouble(self) -> str:
        try:
            topic = self._client.list_topics(self._topic, timeout=ANSWER_SECONDS).topics[self._topic]
        except KafkaException as error:
            return f"no answer: {error.args[0].str()}"
        return f"topic {self._topic}: {topic.error.str()}" if topic.error else ""

    def _tell(self, trouble: str) -> None:
        if trouble and not self._can_wait():
            self._health.not_ready(self._part, trouble)
        else:
            self._health.ready(self._part, FRESH_SECONDS)
        if self._told is not bool(trouble):
            self._told = bool(trouble)
            event, level = ("kafka.unreachable", logging.WARNING) if trouble else ("kafka.reachable", logging.INFO)
            logger.log(level, event, extra={"topic": self._topic, "why": trouble})
