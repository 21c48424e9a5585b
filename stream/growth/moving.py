"""Moves rows and unfinished records on Kafka; what was written is acknowledged before its old place is given up."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from confluent_kafka.admin import AdminClient

from stream.growth import groups
from stream.growth.places import conversations_plan, due_plan, links_plan, owners
from stream.kafka.outbox import Outbox, RecordProducer
from stream.kafka.snapshot import StoredRecord
from stream.records.homes import partition_of
from stream.settings import KafkaSettings
from stream.topics import Topics

Read = Callable[..., Iterable[StoredRecord]]
"""Reads a topic, as stream/kafka/snapshot.py does."""


class GrowthError(Exception):
    """Topics cannot grow now; the message is one line for the operator, and nothing is lost."""


class Moved(NamedTuple):
    """How many rows and records were moved; `left` rows stay, see places.py."""

    rows: int
    records: int
    left: int


class Mover:
    """Brings what belongs into other partitions there; no worker may run meanwhile."""

    def __init__(self, settings: KafkaSettings, admin: AdminClient, producer: RecordProducer, read: Read) -> None:
        self._settings = settings
        self._topics = Topics.of(settings)
        self._partitions = settings.topic_partitions
        self._admin = admin
        self._producer = producer
        self._read = read

    def move(self) -> Moved:
        """Move all; done again it goes on where it was interrupted.

        Raises:
            GrowthError: Kafka did not take everything.
        """
        unfinished = self._unfinished()
        rows, left = self._move_rows(unfinished)
        return Moved(rows, self._move_records(unfinished), left)

    def _unfinished(self) -> list[StoredRecord]:
        # Those of [attachments] may stay: a worker sends what follows from them by key.
        topics = (self._topics.previews, self._topics.lifecycle)
        places = [(topic, at) for topic in topics for at in range(self._partitions)]
        done = groups.committed(self._admin, self._settings.group, places)
        return [
            record
            for topic in topics
            for record in self._read(
                self._settings, topic, since={at: offset for (name, at), offset in done.items() if name == topic}
            )
        ]

    def _move_rows(self, unfinished: Iterable[StoredRecord]) -> tuple[int, int]:
        links, due, conversations = map(self._rows, self._topics.changelogs)
        commands = [
            (record.position.partition, record.key, record.value)
            for record in unfinished
            if record.position.topic == self._topics.lifecycle
        ]
        of_links = links_plan(links, owners(due, commands), self._partitions)
        plans = (of_links, due_plan(due, self._partitions), conversations_plan(conversations, self._partitions))
        tables = [(topic, plan.moves) for topic, plan in zip(self._topics.changelogs, plans, strict=True)]
        self._send([(topic, row.key, row.value, row.target) for topic, moves in tables for row in moves])
        # The due rows after those of `links`: an interrupted run still finds whose they are.
        for topic, moves in tables:
            self._send([(topic, row.key, None, row.source) for row in moves])
        return sum(len(plan.moves) for plan in plans), sum(plan.left for plan in plans)

    def _rows(self, changelog: str) -> dict[int, dict[bytes, bytes]]:
        rows: dict[int, dict[bytes, bytes]] = {}
        for record in self._read(self._settings, changelog):
            held = rows.setdefault(record.position.partition, {})
            if record.key is not None and record.value is not None:
                held[record.key] = record.value
            elif record.key is not None:
                held.pop(record.key, None)
        return rows

    def _move_records(self, unfinished: Iterable[StoredRecord]) -> int:
        by_place: dict[groups.Position, list[StoredRecord]] = {}
        for record in unfinished:
            by_place.setdefault((record.position.topic, record.position.partition), []).append(record)
        # Also those that belong where they are: they stand between the others, and the group goes on behind all.
        wrong = {place: lie for place, lie in by_place.items() if any(self._target(one) != place[1] for one in lie)}
        again = [one for lie in wrong.values() for one in lie]
        outbox = Outbox[int](self._producer)
        for number, one in enumerate(again):
            headers: Any = one.headers  # as Kafka gave them, None values included
            outbox.send(
                number, one.position.topic, value=one.value, key=one.key, partition=self._target(one), headers=headers
            )
        _settle(outbox)
        groups.commit(
            self._admin, self._settings.group, {place: lie[-1].position.offset + 1 for place, lie in wrong.items()}
        )
        return len(again)

    def _target(self, record: StoredRecord) -> int:
        return record.position.partition if record.key is None else partition_of(record.key, self._partitions)

    def _send(self, rows: Iterable[tuple[str, bytes, bytes | None, int]]) -> None:
        outbox = Outbox[int](self._producer)
        for number, (topic, key, value, partition) in enumerate(rows):
            outbox.send(number, topic, value=value, key=key, partition=partition)
        _settle(outbox)


def _settle(outbox: Outbox[int]) -> None:
    outbox.settle()
    if outbox.problems:
        problem = next(iter(outbox.problems.values()))
        raise GrowthError(f"{len(outbox.problems)} records were not acknowledged ({problem}): run this again")
