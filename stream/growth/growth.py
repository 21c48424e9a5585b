"""More partitions, with nothing lost and nothing said twice: rows and unfinished records move along.

A key's partition follows from the number of partitions. A `links` row that stays in the old one is not found by the
next copy of its event, which is then posted again; so is an event whose previews lie in two partitions. While no
worker runs all of this is moved, as if there had been as many partitions from the beginning. Each step may be done
again, and the last topic grows last: a worker does not start before all topics have the number that it is told.
"""

import time
from collections.abc import Callable
from typing import Final

import msgspec
from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # re-exported, only not marked as such
    AdminClient,
    NewPartitions,
    TopicMetadata,
)
from msgspec import Struct

from stream.growth import groups
from stream.growth.moving import GrowthError, Moved, Mover
from stream.kafka.clients import KafkaUnreachableError, checked, client_config
from stream.kafka.outbox import create_producer
from stream.kafka.snapshot import records
from stream.settings import KafkaSettings
from stream.topics import Topics, specs

CLIENT_ID: Final = "growth"
POLL_SECONDS: Final = 0.2
CALL_SECONDS: Final = 10.0
NO_LEADER: Final = -1


class Grown(Struct, frozen=True):
    """What was done; `left` rows stay, as others of the same key stand where they belong."""

    partitions: int
    grown_topics: int
    moved_rows: int
    moved_records: int
    left_rows: int


class Growth:
    """Gives the topics of a deployment as many partitions as its settings want; waits as long for each condition."""

    def __init__(
        self, settings: KafkaSettings, *, wait_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._wanted = settings.topic_partitions
        self._wait_seconds = wait_seconds
        self._clock = clock
        config = client_config(settings, client_id=CLIENT_ID) | {"log_level": 0}
        self._admin = checked(lambda: AdminClient(config))

    def grow(self) -> Grown:
        """Grow and move; blocks until all of it is acknowledged.

        Raises:
            GrowthError: Topics are missing or have too many partitions, workers run, or Kafka did not take everything.
            KafkaUnreachableError: Kafka does not answer, or refuses.
        """
        try:
            return self._grow()
        except KafkaException as error:
            servers, why = self._settings.kafka_bootstrap_servers, error.args[0].str()
            raise KafkaUnreachableError(f"Kafka at {servers} refused or did not answer: {why}") from error

    def _grow(self) -> Grown:
        names = [spec.name for spec in specs(self._settings)]
        last = Topics.of(self._settings).results
        self._may_grow(names)
        self._wait(self._nobody_works, "workers run, or are still members of their group: stop all of them")
        grown = self._add_partitions([name for name in names if name != last])
        if not self._nobody_works():  # it began before the number was wrong for it
            raise GrowthError("a worker has started: stop it and run this again")
        moved = self._move()
        grown += self._add_partitions([last])
        return Grown(self._wanted, grown, moved.rows, moved.records, moved.left)

    def _may_grow(self, names: list[str]) -> None:
        counts = {name: len(found.partitions) if found else 0 for name, found in self._found(names).items()}
        missing = [name for name, count in counts.items() if not count]
        if missing:
            raise GrowthError(f"{', '.join(missing)} does not exist: `python -m stream topics` creates it")
        more = [f"{name} has {count}" for name, count in counts.items() if count > self._wanted]
        if more:
            raise GrowthError(f"TOPIC_PARTITIONS is {self._wanted} but {', '.join(more)}: Kafka takes none away")

    def _add_partitions(self, names: list[str]) -> int:
        few = [name for name, found in self._found(names).items() if found and len(found.partitions) < self._wanted]
        if few:
            new = [NewPartitions(name, self._wanted) for name in few]
            for answer in self._admin.create_partitions(new, request_timeout=CALL_SECONDS * 2).values():
                answer.result(CALL_SECONDS * 2)
        self._wait(lambda: self._are_led(names), "new partitions have no leader yet: run this again")
        return len(few)

    def _are_led(self, names: list[str]) -> bool:
        return all(
            found is not None
            and len(found.partitions) == self._wanted
            and all(one.leader != NO_LEADER for one in found.partitions.values())
            for found in self._found(names).values()
        )

    def _found(self, names: list[str]) -> dict[str, TopicMetadata | None]:
        topics = self._admin.list_topics(timeout=CALL_SECONDS).topics
        return {name: topics.get(name) for name in names}

    def _nobody_works(self) -> bool:
        return not groups.members(self._admin, self._settings.group)

    def _move(self) -> Moved:
        return Mover(self._settings, self._admin, create_producer(self._settings, CLIENT_ID), records).move()

    def _wait(self, condition: Callable[[], bool], otherwise: str) -> None:
        deadline = self._clock() + self._wait_seconds
        while not condition():
            if self._clock() >= deadline:
                raise GrowthError(otherwise)
            self._admin.poll(POLL_SECONDS)


def grow(settings: KafkaSettings, *, wait_seconds: float) -> Grown:
    """Grow a deployment's topics; see `Growth.grow`."""
    return Growth(settings, wait_seconds=wait_seconds).grow()


def as_json(grown: Grown) -> str:
    """Return what was done as one JSON object."""
    return msgspec.json.encode(grown).decode()


def sentence(grown: Grown) -> str:
    """Return what was done in words."""
    told = (
        f"{grown.grown_topics} topics have grown to {grown.partitions} partitions; "
        f"{grown.moved_rows} rows and {grown.moved_records} unfinished records were moved to where they belong now"
    )
    return f"{told}; {grown.left_rows} rows stay, others of their names stand there" if grown.left_rows else told
