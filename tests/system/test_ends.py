"""Workers are told to end in the middle of things: they do so in time, and the next one does what was under way."""

import os
import signal
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Final

import pytest
from confluent_kafka.admin import AdminClient

from stream.kafka.clients import client_config
from tests.harness.genesys.faults import Fault
from tests.harness.kafka import RealKafka
from tests.harness.processes import Process
from tests.harness.s3 import Minio
from tests.system.rig import Rig, running

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

SHUTDOWN_SECONDS: Final = 6.0
LATEST_SECONDS: Final = SHUTDOWN_SECONDS + 4  # of a machine that is busy with other tests
ADMIN_SECONDS: Final = 10.0
TOLD_TWICE: Final = 128 + signal.SIGTERM
ENDED_LATE: Final = 3
SETTINGS: Final = {
    "SHUTDOWN_SECONDS": f"{SHUTDOWN_SECONDS:g}",
    "GENESYS_TIMEOUT_SECONDS": "8",
    "DOWNLOAD_TIMEOUT_SECONDS": "60",
    "DOWNLOAD_STALL_TIMEOUT_SECONDS": "60",
}
UNANSWERED_POST: Final = Fault(kind="slow_after", call="post_to_communication", seconds=60, count=1)


@pytest.fixture
def rig(kafka: RealKafka, minio: Minio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with running(tmp_path_factory.mktemp("ends"), kafka, minio, SETTINGS) as made:
        yield made
        made.assert_sound()
        assert not made.ledger.dead_letters


def tell_to_end(worker: Process) -> None:
    os.kill(worker.pid, signal.SIGTERM)


def members(rig: Rig) -> int:
    """Return how many members Kafka takes the group to have."""
    settings = rig.product.kafka_settings
    admin = AdminClient(client_config(settings, client_id="onlooker"))
    (described,) = admin.describe_consumer_groups([settings.group], request_timeout=ADMIN_SECONDS).values()
    return len(described.result(ADMIN_SECONDS).members)


def test_a_download_that_is_cut_off_is_handed_to_the_next_worker(rig: Rig) -> None:
    first = rig.product.add_worker()
    assert members(rig) == 1
    url = rig.files.url("/stall-once")
    event_id = rig.drop("slow.png", url)
    rig.wait("the download", lambda: any(request.path == "/stall-once" for request in rig.files.requests))
    quick = rig.drop("photo.png")
    rig.wait_for_ends([quick])
    assert first.stop(LATEST_SECONDS) == 0
    assert members(rig) == 0
    assert event_id not in rig.ledger.ended()
    rig.product.add_worker()
    rig.wait_for_ends()
    assert (rig.outcome(event_id).outcome, rig.posts_of(event_id)) == ("linked", 1)


def test_a_post_whose_answer_was_cut_off_is_found_and_not_repeated_by_the_next_worker(rig: Rig) -> None:
    first = rig.product.add_worker()
    rig.genesys.control.add_fault(UNANSWERED_POST)
    event_id = rig.drop()
    rig.wait("the post", lambda: said(rig) == 1)
    assert first.stop(LATEST_SECONDS) == 0
    assert members(rig) == 0
    assert event_id not in rig.ledger.ended()
    rig.product.add_worker()
    rig.wait_for_ends()
    assert (rig.outcome(event_id).outcome, rig.posts_of(event_id)) == ("linked", 1)


def test_a_worker_that_is_told_twice_ends_at_once_and_the_next_one_takes_over(rig: Rig) -> None:
    first = rig.product.add_worker()
    rig.genesys.control.add_fault(UNANSWERED_POST)
    event_id = rig.drop()
    rig.wait("the post", lambda: said(rig) == 1)
    tell_to_end(first)
    rig.wait("the end to begin", lambda: rig.logged("worker.ending") > 0)
    tell_to_end(first)
    assert first.wait(LATEST_SECONDS) == TOLD_TWICE
    assert members(rig) == 1  # it said no farewell; Kafka waits for its session to end
    rig.product.add_worker()
    rig.wait_for_ends()
    assert (rig.outcome(event_id).outcome, rig.posts_of(event_id)) == ("linked", 1)


def test_a_worker_can_be_told_to_end_at_any_point_of_its_start(rig: Rig) -> None:
    event_id = rig.drop()
    starting = rig.product.add_worker(wait=False)
    points: dict[str, Callable[[], bool]] = {
        "its first word": lambda: rig.logged("worker.started") > 0,
        "its membership": lambda: members(rig) == 1,
        "its readiness": lambda: rig.readiness()[0] == HTTPStatus.OK,
    }
    for name, reached in points.items():
        rig.wait(name, reached)
        assert starting.stop(LATEST_SECONDS) == 0, name
        assert members(rig) == 0
        starting.log.write_text("")
        starting.start()
    rig.wait_for_ends()
    assert rig.posts_of(event_id) == 1


def test_a_static_member_stays_in_its_group_when_it_ends(rig: Rig) -> None:
    static = rig.product.add_worker(WORKER_MEMBER_ID="worker-0")
    event_id = rig.drop()
    rig.wait_for_ends([event_id])
    assert static.stop(LATEST_SECONDS) == 0
    assert members(rig) == 1
    static.start()
    again = rig.drop()
    rig.wait_for_ends([again])
    assert members(rig) == 1


def test_a_worker_ends_in_time_while_kafka_is_frozen_and_says_that_it_could_not_commit(
    own_kafka: RealKafka, minio: Minio, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with running(tmp_path_factory.mktemp("ends-without-kafka"), own_kafka, minio, SETTINGS) as rig:
        worker = rig.product.add_worker()
        rig.wait_for_ends([rig.drop()])
        own_kafka.pause()
        assert worker.stop(LATEST_SECONDS) == ENDED_LATE
        assert rig.logged("worker.stop_timed_out") == 1
        own_kafka.resume()
        rig.product.add_worker()
        rig.wait_for_ends([rig.drop()])
        rig.assert_sound(except_logs_of=[worker])


def said(rig: Rig) -> int:
    return sum(
        message["direction"] == "outbound"
        for conversation in rig.genesys.control.conversations()
        for message in conversation["messages"]
    )
