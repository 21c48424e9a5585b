"""The tables' changelogs are gone: what is lost then, how it shows, and how it is mended; see docs/operations.md."""

import json
from collections.abc import Sequence

import pytest
from confluent_kafka.admin import AdminClient

from stream.kafka.clients import client_config
from tests.harness.judge import said_twice
from tests.harness.kafka import RealKafka
from tests.harness.s3 import Minio
from tests.system.progress import uncommitted
from tests.system.rig import Rig, running

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]


def unfinished(rig: Rig, *options: str) -> tuple[int, list[str], dict[str, int]]:
    """Run the command; return its exit code, the event ids it names, and its sums."""
    code, printed = rig.product.run("stream", "unfinished", "--older-than", "0s", "--json", *options)
    lines = [json.loads(line) for line in printed.splitlines()]
    return code, sorted(line["eventId"] for line in lines[:-1]), lines[-1]


def lose(rig: Rig, changelogs: Sequence[str]) -> None:
    admin = AdminClient(client_config(rig.product.kafka_settings, client_id="somebody"))
    for answer in admin.delete_topics(list(changelogs)).values():
        answer.result(30)
    rig.wait("the changelogs to be gone", lambda: not set(changelogs) & admin.list_topics(timeout=10).topics.keys())


def settled(rig: Rig) -> bool:
    return not uncommitted(rig.product.kafka_settings, *rig.topics.read)


def due_rows(rig: Rig, kind: str) -> int:
    rows = rig.records(rig.topics.due_changelog)
    return sum(row.value is not None and (row.key or b"").startswith(kind.encode()) for row in rows)


def test_lost_changelogs_are_told_and_what_they_held_is_sent_again(
    kafka: RealKafka, minio: Minio, tmp_path_factory: pytest.TempPathFactory
) -> None:
    patient = {"RETRY_BASE_SECONDS": "600", "RETRY_CAP_SECONDS": "1200"}
    with running(tmp_path_factory.mktemp("lost-tables"), kafka, minio, patient) as rig:
        worker = rig.product.add_worker()
        done = [rig.drop(conversationId=f"done-{number}") for number in range(4)]
        rig.wait_for_ends(done)
        waiting = rig.drop("later.png", rig.files.url("/status/503"), conversationId="waiting")
        rig.wait("its retry", lambda: rig.logged("attachment.retry") > 0)
        rig.wait("everything to be committed", lambda: settled(rig))
        changelogs = (rig.topics.links_changelog, rig.topics.due_changelog)
        lose(rig, changelogs)
        rig.wait("the worker to be unready", lambda: rig.readiness()[0] == 503)
        assert worker.running
        assert worker.stop(60) == 0

        code, printed = rig.product.run("stream", "topics")
        assert (code, printed.count("created")) == (0, 2)
        rig.product.settings |= {"RETRY_BASE_SECONDS": "0.1", "RETRY_SOURCE_MAX_ATTEMPTS": "2"}
        worker = rig.product.add_worker()
        assert unfinished(rig)[:2] == (1, [waiting])
        again = unfinished(rig, "--again", "--expiries", "--yes", "--rate", "0")
        assert again == (0, [waiting], {"unfinished": 1, "erased": 0, "expiries": 4, "orders": 0, "sent": 5})
        rig.wait("the orders to wait for their time", lambda: due_rows(rig, f"again/{rig.topics.lifecycle}/") == 4)
        rig.wait_for_ends([waiting])
        assert unfinished(rig)[:2] == (0, [])

        assert said_twice(rig.genesys.control) == 0
        for number, event_id in enumerate(done):  # what a lost row costs: a copy is no replay, so nobody looks
            rig.drop(conversationId=f"done-{number}", eventId=event_id)
        rig.wait("everything to be committed", lambda: settled(rig))
        assert said_twice(rig.genesys.control) == len(done)
        assert worker.stop(60) == 0
