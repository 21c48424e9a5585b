"""How long partitions stand still after the SIGKILL of one of two workers."""

import time
from collections.abc import Callable, Mapping
from typing import Final

from confluent_kafka import Consumer

from bench.lane.load import Load, conversations_by_partition, event_ids
from stream.kafka.clients import client_config
from stream.messages import Outcome, decode_result
from stream.settings import KafkaSettings
from tests.harness.processes import Process

DEADLINE_SECONDS: Final = 60.0
BETWEEN_EVENTS_SECONDS: Final = 0.1


class Pulse:
    """Writes an event into every partition again and again, and reads their outcomes."""

    def __init__(self, settings: KafkaSettings, attachments: str, results: str) -> None:
        self._conversations = conversations_by_partition(settings.topic_partitions)
        self._load = Load(settings, attachments)
        self._ids = event_ids("pulse")
        self._partition_of: dict[str, int] = {}
        config = client_config(settings, client_id="pulse")
        self._consumer = Consumer(
            config | {"group.id": "pulse", "auto.offset.reset": "earliest", "enable.auto.commit": False}
        )
        self._consumer.subscribe([results])
        self._next_at = 0.0

    def until_each_moves(self) -> Mapping[int, float]:
        """Return when an event of each partition that is written from now on has ended, time.monotonic."""
        self._partition_of.clear()
        moved: dict[int, float] = {}
        until = time.monotonic() + DEADLINE_SECONDS
        while len(moved) < len(self._conversations):
            if time.monotonic() > until:
                raise TimeoutError(f"partitions {set(self._conversations) - set(moved)} stand still")
            self.beat()
            message = self._consumer.poll(BETWEEN_EVENTS_SECONDS / 4)
            value = message.value() if message is not None and not message.error() else None
            result = decode_result(value) if value else None
            if isinstance(result, Outcome) and result.event_id in self._partition_of:
                moved.setdefault(self._partition_of[result.event_id], time.monotonic())
        return moved

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()

    def beat(self) -> None:
        """Write an event into every partition, if it is time to."""
        if time.monotonic() < self._next_at:
            return
        self._next_at = time.monotonic() + BETWEEN_EVENTS_SECONDS
        for partition, conversation in self._conversations.items():
            event_id = next(self._ids)
            self._partition_of[event_id] = partition
            self._load.write(event_id, conversation)
        self._load.flush()


def recoveries(pulse: Pulse, start: Callable[[], Process], kills: int, say: Callable[[str], None]) -> list[float]:
    """Kill one of two workers so many times, the older one each time; return how long the slowest partition stood."""
    workers, seconds = [start()], list[float]()
    try:
        _until_shared(pulse, workers)
        for number in range(kills):
            workers.append(start())
            _until_shared(pulse, workers)
            killed_at = time.monotonic()
            workers.pop(0).kill()
            seconds.append(max(pulse.until_each_moves().values()) - killed_at)
            say(f"kill {number + 1} of {kills}: all partitions move again after {seconds[-1]:.1f} s")
    finally:
        for worker in workers:
            worker.stop()
    return seconds


def _until_shared(pulse: Pulse, workers: list[Process]) -> None:
    """Wait until the newest worker, too, has ended an event."""
    until = time.monotonic() + DEADLINE_SECONDS
    while b"attachment.linked" not in workers[-1].log.read_bytes():
        if time.monotonic() > until or not workers[-1].running:
            raise TimeoutError(f"{workers[-1].name} does nothing: {workers[-1].last_words()}")
        pulse.beat()
        time.sleep(BETWEEN_EVENTS_SECONDS / 2)
    pulse.until_each_moves()
