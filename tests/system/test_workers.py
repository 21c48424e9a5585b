"""Workers come, go, freeze and are told to end while jobs run: every event has one end, and nothing is said twice."""

import random
import time
from collections.abc import Iterator
from typing import Final

import pytest

from tests.harness.genesys.faults import Fault
from tests.harness.kafka import RealKafka
from tests.harness.pictures import picture
from tests.harness.s3 import Minio
from tests.system.rig import QUICK, Rig, running

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

DRAIN_SECONDS: Final = 20.0
SESSION_SECONDS: Final = float(QUICK["WORKER_SESSION_TIMEOUT_SECONDS"])
SLOW_POSTS: Final = Fault(kind="slow", call="post_to_communication", seconds=0.7)


@pytest.fixture
def rig(kafka: RealKafka, minio: Minio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    settings = {"WORKER_DRAIN_SECONDS": f"{DRAIN_SECONDS:g}", "GENESYS_TIMEOUT_SECONDS": "5", "LINK_CONCURRENCY": "3"}
    with running(tmp_path_factory.mktemp("workers"), kafka, minio, settings) as made:
        yield made
        made.assert_sound()
        assert not made.ledger.dead_letters
        assert {outcome.outcome for outcome in made.ledger.outcomes} <= {"linked"}


def drop_pictures(rig: Rig, count: int, conversations: int) -> None:
    rng = random.Random(count)
    for number in range(count):
        name, data, _ = picture(rng)
        url = rig.files.add(f"{number}-{name}", data)
        rig.drop(name, url, conversationId=f"conversation-{number % conversations}")


def test_a_worker_joins_and_leaves_and_the_other_ends_while_a_hundred_attachments_are_under_way(rig: Rig) -> None:
    rig.genesys.control.add_fault(SLOW_POSTS)
    first = rig.product.add_worker()
    drop_pictures(rig, 100, conversations=20)
    rig.wait("the first outcomes", lambda: len(rig.ledger.ended()) >= 10)
    second = rig.product.add_worker()
    rig.wait("an outcome by the second", lambda: rig.logged("attachment.linked", 1) > 0)
    assert len(rig.ledger.ended()) < 100
    assert second.stop(DRAIN_SECONDS + 20) == 0
    rig.wait("more outcomes by the first", lambda: len(rig.ledger.ended()) >= 60)
    assert len(rig.ledger.ended()) < 100
    stopped_at = time.monotonic()
    assert first.stop(DRAIN_SECONDS + 20) == 0
    assert time.monotonic() - stopped_at < DRAIN_SECONDS
    assert len(rig.ledger.ended()) < 100
    last = rig.product.add_worker()
    rig.wait_for_ends()
    assert last.stop(DRAIN_SECONDS + 20) == 0


def test_a_worker_ends_in_time_while_genesys_holds_its_lane(rig: Rig) -> None:
    rig.genesys.control.add_fault(Fault(kind="status", call="*", status=429, retry_after_seconds=300, count=1))
    held = rig.product.add_worker()
    drop_pictures(rig, 20, conversations=10)
    rig.wait("the lane to be held", lambda: rig.logged("lane.held") > 0)
    stopped_at = time.monotonic()
    assert held.stop(DRAIN_SECONDS + 20) == 0
    assert time.monotonic() - stopped_at < DRAIN_SECONDS
    assert len(rig.ledger.ended()) < len(rig.accepted)
    again = rig.product.add_worker()
    rig.wait_for_ends()
    assert {outcome.attempt for outcome in rig.ledger.outcomes} == {1}
    assert again.stop(DRAIN_SECONDS + 20) == 0


def test_a_worker_that_freezes_for_longer_than_its_session_neither_loses_nor_repeats(rig: Rig) -> None:
    rig.genesys.control.add_fault(SLOW_POSTS)
    frozen = rig.product.add_worker()
    other = rig.product.add_worker()
    drop_pictures(rig, 60, conversations=20)
    rig.wait("an outcome by each", lambda: all(rig.logged("attachment.linked", number) for number in (0, 1)))
    frozen.pause()
    frozen_at = time.monotonic()
    rig.wait("the session to end", lambda: time.monotonic() > frozen_at + SESSION_SECONDS + 2)
    frozen.resume()
    rig.wait_for_ends(timeout_seconds=90)
    rig.wait("the worker to be back", lambda: frozen.running and rig.readiness(0)[0] == 200)
    assert frozen.stop(DRAIN_SECONDS + 20) == 0
    assert other.stop(DRAIN_SECONDS + 20) == 0
