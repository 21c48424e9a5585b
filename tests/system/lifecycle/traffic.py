"""Does what the script says, in a thread: webhooks through the bridge, orders to [lifecycle]."""

import threading
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self

import urllib3
from confluent_kafka import Producer
from msgspec import convert

from stream.kafka.clients import producer_config
from stream.messages import Attachment, Erase, Hold, Order, Release, encode
from stream.records.homes import partition_of
from stream.topics import Topics
from tests.system.chaos.world import World
from tests.system.lifecycle.history import Ordered, Sent
from tests.system.lifecycle.script import Change, Drop, Give, Step

ACCEPTED: Final = 202
ANSWER_SECONDS: Final = 10.0
FLUSH_SECONDS: Final = 30.0
KINDS: Final[dict[str, type[Order]]] = {"erase": Erase, "hold": Hold, "release": Release}


class Traffic:
    """Goes through the steps; what was sent stands in `sent` and `ordered`."""

    def __init__(self, world: World, steps: Sequence[Step]) -> None:
        self._world = world
        self._steps = steps
        self._sent: dict[str, Sent] = {}
        self.ordered: list[Ordered] = []
        self.changes: list[tuple[float, float]] = []
        self._stopped = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="traffic", daemon=True)
        self._client = urllib3.PoolManager(retries=False, timeout=ANSWER_SECONDS)
        settings = world.product.kafka_settings
        self._topics = Topics.of(settings)
        self._partitions = settings.topic_partitions
        self._producer = Producer({**producer_config(settings, client_id="operator"), "log_level": 0})

    @property
    def sent(self) -> list[Sent]:
        """Every event, at the time it was sent last."""
        return list(self._sent.values())

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()
        self._client.clear()
        if self._failure is not None and kind is None:
            raise self._failure

    def give(self, order: Give) -> None:
        """Send an order."""
        value = encode(
            KINDS[order.command](
                conversation_id=order.conversation_id, order_id=order.order_id, by="make lifecycle", note="a trial"
            )
        )
        self.ordered.append(
            Ordered(
                order_id=order.order_id, conversation_id=order.conversation_id, command=order.command, at=time.time()
            )
        )
        self._produce(self._topics.lifecycle, order.conversation_id, value, foreign=order.foreign)

    def _run(self) -> None:
        try:
            self._go_through()
        except BaseException as error:  # noqa: BLE001 - told by the thread that waits for this one
            self._failure = error

    def _go_through(self) -> None:
        began = time.monotonic()
        for step in self._steps:
            if self._stopped.wait(max(0.0, began + step.at - time.monotonic())):
                return
            match step:
                case Drop():
                    self._drop(step)
                case Give():
                    self.give(step)
                case Change():
                    self._change(step.ttl_seconds)

    def _drop(self, drop: Drop) -> None:
        data = {
            "eventId": drop.event_id,
            "conversationId": drop.conversation_id,
            "attachmentUrl": self._world.files.url(drop.name),
            "fileName": drop.name,
        }
        sent = Sent(event_id=drop.event_id, conversation_id=drop.conversation_id, at=time.time())
        if drop.foreign:
            value = encode(convert(data, Attachment))
            self._produce(self._topics.attachments, drop.conversation_id, value, foreign=True)
        else:
            self._post({"event": "webchat:attachment", "data": data})
        self._sent[drop.event_id] = sent

    def _post(self, webhook: Mapping[str, Any]) -> None:
        answer = self._client.request("POST", self._world.product.webhook_url, json=webhook)
        if answer.status != ACCEPTED:
            raise AssertionError(f"the bridge answered {answer.status} to {webhook}: {answer.data[:500]!r}")

    def _produce(self, topic: str, conversation_id: str, value: bytes, *, foreign: bool) -> None:
        """Write a record to the conversation's partition, or to the next one."""
        key, failures = conversation_id.encode(), list[object]()
        partition = (partition_of(key, self._partitions) + foreign) % self._partitions
        self._producer.produce(topic, value, key, partition, on_delivery=lambda error, _: failures.append(error))
        self._producer.flush(FLUSH_SECONDS)
        if failures != [None]:
            raise AssertionError(f"Kafka did not take {value!r}: {failures}")

    def _change(self, ttl_seconds: float) -> None:
        self.changes.append((time.time(), ttl_seconds))
        for worker in self._world.product.workers:
            worker.change(PREVIEW_TTL_SECONDS=f"{ttl_seconds:g}")
