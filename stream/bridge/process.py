"""The bridge's process: its parts put together, and its end in order."""

import asyncio
import gc
import logging
import random
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol

from confluent_kafka import Producer
from prometheus_client import CollectorRegistry

from stream.bridge.access_log import AccessLog
from stream.bridge.app import BridgeApp, Sender
from stream.bridge.bodies import Bodies, BodyLimits
from stream.bridge.entrances import Entrances
from stream.bridge.request import new_request_id
from stream.bridge.server import ConnectionLimits, HttpServer, await_native_threads
from stream.bridge.watch import KafkaWatch, MetadataClient
from stream.kafka.clients import checked
from stream.kafka.producer import AttachmentProducer, KafkaProducer, bridge_producer_config
from stream.kafka.spooled_producer import SpooledProducer, spooled
from stream.logs import write_lines
from stream.settings import BridgeSettings, WrongSettingError
from stream.specifications import served
from stream.telemetry import Health, Metrics, configure_logging
from stream.telemetry.known import begin_bridge
from stream.telemetry.metrics import product_version
from stream.topics import Topics
from stream.tracing import Tracer, create_tracer

logger = logging.getLogger(__name__)

EXIT_DONE: Final = 0
EXIT_FAILED: Final = 1
KAFKA: Final = "kafka"
LAST_WORDS_SECONDS: Final = 1.0  # of the drain, for the answers to requests that are given up
ACCESS_LOG_SECONDS: Final = 0.05
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


class KafkaClient(KafkaProducer, MetadataClient, Protocol):
    """The part of confluent_kafka.Producer that a bridge uses."""


@dataclass(slots=True)
class Ending:
    """Why and when the process is to end."""

    wanted: asyncio.Event = field(default_factory=asyncio.Event)
    at_once: asyncio.Event = field(default_factory=asyncio.Event)
    exit_code: int = EXIT_DONE

    def in_order(self) -> None:
        """End because a signal asks for it; a second one cannot wait for load balancers."""
        if self.wanted.is_set():
            self.at_once.set()
        self.wanted.set()

    def failed(self) -> None:
        """End because the process is of no more use; who supervises it starts another."""
        self.exit_code = EXIT_FAILED
        self.at_once.set()
        self.wanted.set()


async def run(settings: BridgeSettings, kafka: KafkaClient | None = None) -> int:
    """Serve until the process is told to end, then drain; return the exit code."""
    ending = Ending()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ending.in_order)
    bridge = Bridge.create(settings, ending, kafka)
    await bridge.start()
    # What has been made until now stays: looking through it at every full collection would hold up all requests.
    gc.collect()
    gc.freeze()
    server_ended = asyncio.ensure_future(bridge.server.ended())
    server_ended.add_done_callback(lambda _ended: None if ending.wanted.is_set() else ending.failed())
    await ending.wanted.wait()
    await bridge.retire(settings.bridge_pre_stop_seconds, ending)
    all_sent = await bridge.drain(settings.bridge_drain_seconds)
    return ending.exit_code if all_sent else EXIT_FAILED


class Bridge:
    """The parts of a running bridge."""

    def __init__(
        self,
        *,
        app: BridgeApp,
        server: HttpServer,
        entrances: Entrances,
        producer: AttachmentProducer | SpooledProducer,
        watch: KafkaWatch,
        tracer: Tracer,
    ) -> None:
        self.server = server
        self._entrances = entrances
        self._app = app
        self._producer = producer
        self._watch = watch
        self._tracer = tracer

    @classmethod
    def create(cls, settings: BridgeSettings, ending: Ending, kafka: KafkaClient | None = None) -> "Bridge":
        """Put the parts together, with a client of Kafka of their own unless one is given; nothing runs yet.

        Raises:
            WrongSettingError: librdkafka refuses its configuration, the port cannot be had, or anybody could send.
        """
        entrances = Entrances.of(settings)
        metrics = Metrics(CollectorRegistry())
        health = Health(time.monotonic, waiting_for=(KAFKA,), starting_with=(KAFKA,))
        client = kafka or _client(settings)
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
        tracer = create_tracer(settings, "bridge", product_version())
        app = _app(settings, entrances, producer, metrics=metrics, health=health, tracer=tracer)
        watch = KafkaWatch(client, topic=topic, health=health, part=KAFKA, can_wait=producer.can_wait)
        server = _server(app, settings)
        return cls(app=app, server=server, entrances=entrances, producer=producer, watch=watch, tracer=tracer)

    async def start(self) -> None:
        """Start everything; Kafka may be down."""
        self._producer.start()
        self._watch.start()
        await self.server.start()
        self._entrances.tell()
        logger.info("bridge.listening", extra={"host": self.server.host, "port": self.server.port})

    async def retire(self, seconds: float, ending: Ending) -> None:
        """Ask for no more traffic, but take what comes, until load balancers have noticed; less where it hurries."""
        self._app.retire()
        if seconds > 0 and not ending.at_once.is_set():
            logger.info("bridge.retiring", extra={"seconds": seconds})
            with suppress(TimeoutError):
                await asyncio.wait_for(ending.at_once.wait(), seconds)

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
        await asyncio.to_thread(self._tracer.close)
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


def _client(settings: BridgeSettings) -> Producer:
    config = bridge_producer_config(settings)
    return checked(lambda: Producer(config, logger=logging.getLogger("librdkafka")))


def _app(
    settings: BridgeSettings, entrances: Entrances, sender: Sender, *, metrics: Metrics, health: Health, tracer: Tracer
) -> BridgeApp:
    limits = BodyLimits(
        settings.bridge_max_body_bytes, settings.bridge_body_timeout_seconds, settings.bridge_max_bodies_bytes
    )
    intakes = entrances.intakes(settings, time.monotonic)
    begin_bridge(metrics, [intake.source for intake in intakes])
    return BridgeApp(
        intakes=intakes,
        bodies=Bodies(limits),
        sender=sender,
        metrics=metrics,
        health=health,
        access_log=_access_log(settings),
        clock=time.time,
        timer=time.perf_counter,
        new_id=partial(new_request_id, random.getrandbits),
        documents=served(),
        tracer=tracer,
    )


def _access_log(settings: BridgeSettings) -> AccessLog:
    return AccessLog(
        wanted=settings.bridge_access_log,
        level=settings.log_level,
        format_=settings.log_format,
        write=write_lines,
        schedule=lambda flush: asyncio.get_running_loop().call_later(ACCESS_LOG_SECONDS, flush),
        clock=time.time,
    )


def _server(app: BridgeApp, settings: BridgeSettings) -> HttpServer:
    host, port = settings.bridge_host, settings.bridge_port
    limits = ConnectionLimits(
        settings.bridge_max_connections, settings.bridge_max_header_bytes, settings.bridge_idle_timeout_seconds
    )
    try:
        return HttpServer.bind(app, host, port, limits)
    except OSError as error:
        text = f"BRIDGE_HOST={host!r} with BRIDGE_PORT={port} is wrong: an address and port that are free ({error})"
        raise WrongSettingError(text) from error
