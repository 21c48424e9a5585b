"""The bridge's application, called as its HTTP server calls it, before a double of Kafka's client."""

import asyncio
import json
import random
import time
from collections.abc import MutableMapping
from functools import partial
from typing import Any, Final, Self

from bench.ingest.no_kafka import AtOnce
from stream.bridge.access_log import AccessLog
from stream.bridge.app import BridgeApp
from stream.bridge.bodies import Bodies, BodyLimits
from stream.bridge.entrances import Entrances
from stream.bridge.request import new_request_id
from stream.health import Health
from stream.kafka.producer import AttachmentProducer
from stream.settings import BridgeSettings
from stream.telemetry import Metrics
from tests.system.bridge import webhook

PATH: Final = "/webhooks/genesys/attachments"
WAIT_SECONDS: Final = 5.0


class Webhooks:
    """Sends webhooks, one after another; make it inside the running loop and close it."""

    def __init__(self, metrics: Metrics) -> None:
        settings = BridgeSettings(kafka_bootstrap_servers="127.0.0.1:1", bridge_host="127.0.0.1")
        self._producer = AttachmentProducer(
            AtOnce(), topic="attachments", queue_records=settings.bridge_queue_records,
            ack_timeout_seconds=settings.bridge_delivery_timeout_seconds, metrics=metrics, clock=time.monotonic,
            on_fatal=lambda: None,
        )  # fmt: skip
        self._app = BridgeApp(
            intakes=Entrances.of(settings).intakes(settings, time.monotonic),
            bodies=Bodies(BodyLimits(settings.bridge_max_body_bytes, WAIT_SECONDS, settings.bridge_max_bodies_bytes)),
            sender=self._producer,
            metrics=metrics,
            health=Health(time.monotonic),
            access_log=_access_log(settings),
            clock=time.time,
            timer=time.perf_counter,
            new_id=partial(new_request_id, random.getrandbits),
            documents={},
        )
        self._statuses: set[int] = set()

    async def __aenter__(self) -> Self:
        self._producer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.close(WAIT_SECONDS)

    async def send(self, count: int) -> float:
        """Send so many webhooks; return the CPU seconds.

        Raises:
            RuntimeError: One was not answered 202.
        """
        began = time.process_time()
        for number in range(count):
            await self._post(json.dumps(webhook(number)).encode())
        if self._statuses != {202}:
            raise RuntimeError(f"answered {self._statuses}")
        return time.process_time() - began

    async def _post(self, body: bytes) -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                self._statuses.add(message["status"])

        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        scope: dict[str, Any] = {
            "type": "http",
            "method": "POST",
            "path": PATH,
            "headers": headers,
            "client": ("192.0.2.7", 5000),
        }
        await self._app(scope, receive, send)


def _access_log(settings: BridgeSettings) -> AccessLog:
    return AccessLog(
        wanted=settings.bridge_access_log,
        level=settings.log_level,
        format_=settings.log_format,
        write=lambda _: None,
        schedule=lambda flush: asyncio.get_running_loop().call_later(0.05, flush),
        clock=time.time,
    )
