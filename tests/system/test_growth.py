"""More partitions under load: nothing is lost and nothing is said twice by the way that docs/operations.md tells."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from confluent_kafka.admin import AdminClient, NewPartitions  # type: ignore[attr-defined]  # re-exported

from stream.kafka.clients import client_config
from stream.records.homes import partition_of
from stream.topics import specs
from tests.harness.genesys.faults import Fault
from tests.harness.judge import said_twice
from tests.harness.kafka import RealKafka
from tests.harness.ledger import Ledger
from tests.harness.s3 import Minio
from tests.system.progress import uncommitted
from tests.system.rig import Rig, running

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

BEFORE, AFTER = 4, 8
ERASED = 6
"""Conversations of which nothing may come any more, wherever they belong."""
AWAY = Fault(kind="status", call="post_to_communication", status=503)
Place = tuple[int, bytes]


@pytest.fixture
def rig(kafka: RealKafka, minio: Minio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    settings = {"TOPIC_PARTITIONS": str(BEFORE)}
    with running(tmp_path_factory.mktemp("growth"), kafka, minio, settings) as made:
        yield made


def drop(rig: Rig, name: str, count: int) -> list[str]:
    """Let a guest drop a file into each of so many conversations of that name."""
    return [rig.drop(conversationId=f"{name}-{number}", eventId=f"{name}-{number}") for number in range(count)]


def drop_again(rig: Rig, event_ids: Sequence[str]) -> None:
    """Deliver the same webhooks once more, as a sender does whose answer was lost."""
    for event_id in event_ids:
        rig.drop(conversationId=event_id, eventId=event_id)


@contextmanager
def grown(rig: Rig) -> Iterator[None]:
    """Let everything that is told the number of partitions know of the new one."""
    rig.product.settings["TOPIC_PARTITIONS"] = str(AFTER)
    with Ledger(rig.product.kafka_settings) as ledger:
        rig.ledger = ledger
        yield


def rows(rig: Rig, changelog: str) -> dict[Place, bytes]:
    """Return the rows of a table, by partition and key."""
    held: dict[Place, bytes | None] = {}
    for record in rig.records(changelog):
        held[record.position.partition, record.key or b""] = record.value
    return {place: value for place, value in held.items() if value is not None}


def is_unfinished(rig: Rig) -> bool:
    return bool(uncommitted(rig.product.kafka_settings, *rig.topics.read))


def test_growing_under_load_loses_nothing_and_says_nothing_twice(rig: Rig) -> None:
    first, second = rig.product.add_worker(), rig.product.add_worker()
    done = drop(rig, "done", 12)
    rig.wait_for_ends()
    assert rig.product.run("stream", "erase", *done[:ERASED], "--yes")[0] == 0
    rig.genesys.control.add_fault(AWAY)  # what comes now waits in the due table, and behind a lane that is held
    waiting = drop(rig, "waiting", 24)
    rig.wait("the breaker", lambda: any(rig.logged("lane.held", number) for number in (0, 1)))
    drop_again(rig, waiting[:6])
    rig.wait("retries", lambda: any(b"again/" in key for _, key in rows(rig, rig.topics.due_changelog)))
    second.kill()
    assert first.stop(60) == 0
    assert is_unfinished(rig)
    meanwhile = drop(rig, "meanwhile", 12)  # the bridge goes on
    tables = {topic: rows(rig, topic) for topic in rig.topics.changelogs}
    with grown(rig):
        code, printed = rig.product.run("stream", "topics", "--grow", "--json")
        assert code == 0, printed
        told = json.loads(printed.splitlines()[-1])
        assert told["partitions"] == AFTER
        assert told["moved_rows"] > 0 < told["moved_records"]
        assert told["left_rows"] == 0
        for topic, before in tables.items():
            now = rows(rig, topic)
            assert sorted((key, value) for (_, key), value in now.items()) == sorted(
                (key, value) for (_, key), value in before.items()
            )
        for number, event_id in enumerate(done):  # its conversation's id, too
            place = (partition_of(event_id.encode(), AFTER), event_id.encode())
            assert place in rows(rig, rig.topics.links_changelog), number
        erased = {(partition_of(event_id.encode(), AFTER), event_id.encode()) for event_id in done[:ERASED]}
        assert set(rows(rig, rig.topics.conversations_changelog)) == erased
        assert rig.product.run("stream", "topics", "--check")[0] == 0
        rig.genesys.control.clear_faults()
        workers = [rig.product.add_worker(), rig.product.add_worker()]
        drop_again(rig, [*done, *waiting, *meanwhile])
        drop(rig, "after", 24)
        late = [rig.drop(conversationId=event_id, eventId=f"late-{event_id}") for event_id in done[:ERASED]]
        rig.wait_for_ends(timeout_seconds=90)
        rig.wait("everything to be committed", lambda: not is_unfinished(rig))
        assert {rig.verdict(event_id) for event_id in late} == {"erased"}
        assert {record.position.partition for record in rig.records(rig.topics.previews)} == set(range(AFTER))
        assert all(worker.stop(60) == 0 for worker in workers)
        rig.assert_sound()
        assert not rig.ledger.dead_letters
        again = rig.product.run("stream", "topics", "--grow", "--json")
        assert (again[0], json.loads(again[1])["moved_rows"], json.loads(again[1])["grown_topics"]) == (0, 0, 0)


def test_growing_by_kafkas_own_command_says_copies_twice_until_the_rows_are_moved(rig: Rig) -> None:
    worker = rig.product.add_worker()
    done = drop(rig, "done", 16)
    rig.wait_for_ends()
    assert worker.stop(60) == 0
    admin = AdminClient(client_config(rig.product.kafka_settings, client_id="operator"))
    new = [NewPartitions(spec.name, AFTER) for spec in specs(rig.product.kafka_settings)]
    for answer in admin.create_partitions(new).values():
        answer.result(30)
    uninformed = rig.product.add_worker(wait=False)
    rig.wait("it to say why it waits", lambda: rig.logged(f"TOPIC_PARTITIONS is {BEFORE} but") > 0)
    assert uninformed.stop(60) == 0
    with grown(rig):
        worker = rig.product.add_worker()
        drop_again(rig, done[:8])
        rig.wait("everything to be committed", lambda: not is_unfinished(rig))
        twice = said_twice(rig.genesys.control)
        assert twice > 0
        assert worker.stop(60) == 0
        code, printed = rig.product.run("stream", "topics", "--grow")
        assert code == 0, printed
        worker = rig.product.add_worker()
        drop_again(rig, done)
        rig.wait("everything to be committed", lambda: not is_unfinished(rig))
        assert said_twice(rig.genesys.control) == twice


def test_topics_neither_grow_under_a_worker_nor_shrink(rig: Rig) -> None:
    worker = rig.product.add_worker()
    rig.product.settings["TOPIC_PARTITIONS"] = str(AFTER)
    code, printed = rig.product.run("stream", "topics", "--grow", "--wait-seconds", "1")
    assert (code, "stop all of them" in printed) == (1, True), printed
    assert worker.stop(60) == 0
    rig.product.settings["TOPIC_PARTITIONS"] = str(BEFORE - 1)
    code, printed = rig.product.run("stream", "topics", "--grow")
    assert (code, "Kafka takes none away" in printed) == (1, True), printed
    rig.product.settings["TOPIC_PARTITIONS"] = str(BEFORE)
    assert rig.product.run("stream", "topics", "--check")[0] == 0
