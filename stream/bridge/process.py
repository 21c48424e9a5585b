"""The bridge's process: its parts put together, and its end in order."""

import asyncio
import logging
import signal
import time
from dataclasses import dataclass, field
from typing import Final

from confluent_kafka import Producer
from prometheus_client import CollectorRegistry

from stream.bridge.app import BridgeApp, Limits
from stream.bridge.server import HttpServer, await_native_threads
from stream.bridge.watch import KafkaWatch
from stream.kafka import checked
from stream.producer import AttachmentProducer, bridge_producer_config
from stream.settings import BridgeSettings, WrongSettingError
from stream.spooled_producer import SpooledProducer, spooled
from stream.telemetry import Health, Metrics, configure_logging
from stream.topics import Topics

logger = logging.getLogger(__name__)

EXIT_DONE: Final = 0
EXIT_FAILED: Final = 1
KAFKA: Final = "kafka"
LAST_WORDS_SECONDS: Final = 1.0  # of the drain, for the answers to requests that are given up
SHOWN_EVENT_IDS: Final = 100


def main(settings: BridgeSettings) -> int:
    """Run until SIGTERM or SIGINT; return the exit code, 1 when something could not be sent.

    Raises:
        WrongSettingError: librdkafka refuses its configuration, or the port cannot be had.
    """
    configure_logging(settings.log_level, settings.log_format)
    try:
        return asyncio.run(run(settings))
    finally:
        await_native_threads()


@dataclass(slots=True)
class Ending:
    """Why and when the process is to end."""

    wanted: asyncio.Event = field(default_factory=asyncio.Event)
    exit_code: int = EXIT_DONE

    def in_order(self) -> None:
        """End because a signal asks for it."""
        self.wanted.set()

    def failed(self) -> None:
        """End because the process is of no more use; who supervises it starts another."""
        self.exit_code = EXIT_FAILED
        self.wanted.set()


async def run(settings: BridgeSettings) -> int:
    """Serve until the process is told to end, then drain; return the exit code."""
    ending = Ending()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ending.in_order)
    bridge = Bridge.create(settings, ending)
    await bridge.start()
    server_ended = asyncio.ensure_future(bridge.server.ended())
    server_ended.add_done_callback(lambda _ended: None if ending.wanted.is_set() else ending.failed())
    await ending.wanted.wait()
    all_sent = await bridge.drain(settings.bridge_drain_seconds)
    return ending.exit_code if all_sent else EXIT_FAILED


class Bridge:
    """The parts of a running bridge."""

    def __init__(
        self,
        *,
        app: BridgeApp,
        server: HttpServer,
        producer: AttachmentProducer | SpooledProducer,
        watch: KafkaWatch,
    ) -> None:
        self.server = server
        self._app = app
        self._producer = producer
        self._watch = watch

    @classmethod
    def create(cls, settings: BridgeSettings, ending: Ending) -> "Bridge":
        """Put the parts together; nothing runs yet.

        Raises:
            WrongSettingError: librdkafka refuses its configuration, or the port cannot be had.
        """
        metrics = Metrics(CollectorRegistry())
        health = Health(time.monotonic, waiting_for=(KAFKA,))
        config = bridge_producer_config(settings)
        client = checked(lambda: Producer(config, logger=logging.getLogger("librdkafka")))
        topic = Topics.of(settings).attachments
        direct = AttachmentProducer(
            client,
            topic=topic,
            queue_records=settings.bridge_queue_records,
            ack_timeout_seconds=settings.bridge_delivery_timeout_seconds,
            metrics=metrics,
            clock=time.monotonic,
            on_fatal=ending.failed,
        )
        producer = spooled(direct, settings, metrics) if settings.bridge_spool_dir else direct
        app = BridgeApp(
            sender=producer,
            metrics=metrics,
            health=health,
            clock=time.time,
            limits=Limits(settings.bridge_max_body_bytes, settings.bridge_body_timeout_seconds),
            secret=settings.webhook_secret,
            own_hosts=settings.webhook_own_hosts,
        )
        watch = KafkaWatch(client, topic=topic, health=health, part=KAFKA, can_wait=producer.can_wait)
        return cls(app=app, server=_server(app, settings), producer=producer, watch=watch)

    async def start(self) -> None:
        """Start everything; Kafka may be down."""
        self._producer.start()
        self._watch.start()
        await self.server.start()
        logger.info("bridge.listening", extra={"host": self.server.host, "port": self.server.port})

    async def drain(self, seconds: float) -> bool:
        """Finish requests in flight and flush; return whether everything was answered and sent.

        What is given up at the deadline has been answered 503, never 202.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        last_words_seconds = min(LAST_WORDS_SECONDS, seconds / 4)
        self._app.drain()
        self.server.stop()
        logger.info("bridge.draining", extra={"seconds": seconds, "waiting": len(self._producer.unsent)})
        ended = await self._ended_by(deadline - last_words_seconds)
        unsent: list[str] = []
        if not ended:
            self._app.stop_reading()
            unsent = self._producer.give_up()
            ended = await self._ended_by(deadline)
        await self._watch.stop()
        unsent += await self._producer.close(max(0.0, deadline - loop.time()))
        if unsent or not ended:
            given_up = {"unsent": len(unsent), "event_ids": unsent[:SHOWN_EVENT_IDS], "unanswered_requests": not ended}
            logger.error("bridge.drain_incomplete", extra=given_up)
            return False
        logger.info("bridge.drained")
        return True

    async def _ended_by(self, deadline: float) -> bool:
        try:
            async with asyncio.timeout_at(deadline):
                await self.server.ended()
        except TimeoutError:
            return False
        return True


def _server(app: BridgeApp, settings: BridgeSettings) -> HttpServer:
    host, port = settings.bridge_host, settings.bridge_port
    try:
        return HttpServer.bind(app, host, port)
    except OSError as error:
        text = f"BRIDGE_HOST={host!r} with BRIDGE_PORT={port} is wrong: an address and port that are free ({error})"
        raise WrongSettingError(text) from error
