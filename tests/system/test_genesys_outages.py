"""Genesys away, slow, refusing and forgetting: every link is posted in the end, and none twice."""

from collections.abc import Iterator

import pytest

from tests.harness.genesys.faults import Fault
from tests.harness.kafka import RealKafka
from tests.harness.s3 import Minio
from tests.system.rig import Rig, running

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

POST = "post_to_communication"


@pytest.fixture(scope="module")
def rig(kafka: RealKafka, minio: Minio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with running(tmp_path_factory.mktemp("genesys-outages"), kafka, minio) as made:
        made.product.add_worker()
        yield made
        assert made.product.workers[0].running
        assert made.product.workers[0].stop(60) == 0
        made.assert_sound()
        assert {letter.reason for letter in made.ledger.dead_letters} <= {"conversation_closed"}


def test_what_costs_no_attempt_is_linked_at_the_first(rig: Rig) -> None:
    """A 429 with its Retry-After, a token that was revoked, and one that is refused again hold the lane."""
    rig.genesys.control.add_fault(Fault(kind="status", call=POST, status=429, retry_after_seconds=2, count=1))
    slowed = rig.drop()
    assert rig.verdict(slowed) == "rendered"
    rig.genesys.control.call("POST", "/tokens/revoke")
    revoked = rig.drop()
    assert rig.verdict(revoked) == "rendered"
    assert [rig.outcome(event_id).attempt for event_id in (slowed, revoked)] == [1, 1]
    assert rig.metric('previews_holds_total{reason="rate_limited"}') >= 1


def test_answers_that_are_lost_or_wrong_are_mended_without_saying_anything_twice(rig: Rig) -> None:
    """Before the post they are tried again; after it the conversation is read back first."""
    before = [
        Fault(kind="status", call="get_conversation", status=500, count=1),
        Fault(kind="status", call="get_conversation", status=503, retry_after_seconds=1, count=1),
        Fault(kind="drop_before", call="get_conversation", count=1),
        Fault(kind="status", call=POST, status=503, retry_after_seconds=1, count=1),
    ]
    ambiguous = [
        Fault(kind="status", call=POST, status=500, count=1),
        Fault(kind="status", call=POST, status=504, commits=True, count=1),
        Fault(kind="drop_before", call=POST, count=1),
        Fault(kind="drop_after", call=POST, count=1),
        Fault(kind="slow_after", call=POST, seconds=4, count=1),
    ]
    dropped = []
    for number, fault in enumerate([*before, *ambiguous]):
        fault.conversation_id = f"faulty-{number}"
        rig.genesys.control.add_fault(fault)
        dropped.append(rig.drop(conversationId=fault.conversation_id))
    rig.wait_for_ends(dropped, timeout_seconds=90)
    assert [rig.outcome(event_id).verdict for event_id in dropped] == ["rendered"] * len(dropped)
    assert [rig.posts_of(event_id) for event_id in dropped] == [1] * len(dropped)
    assert rig.metric("previews_post_duplicate_suppressed_total") >= 3


def test_an_outage_stops_rendering_as_little_as_it_loses_links(rig: Rig) -> None:
    rig.genesys.stop()
    away = [rig.drop() for _ in range(8)]
    rig.wait("all previews to be stored meanwhile", lambda: set(away) <= stored(rig))
    rig.wait("the breaker to open", lambda: rig.logged("circuit_open") > 0)
    assert not rig.ledger.ended() & set(away)
    rig.genesys.start()
    rig.wait_for_ends(away)
    rig.genesys.pause()
    frozen = [rig.drop() for _ in range(3)]
    rig.wait("all previews to be stored meanwhile", lambda: set(frozen) <= stored(rig))
    rig.wait("a call without an answer", lambda: rig.logged("ReadTimeoutError") + rig.logged("Read timed out") > 0)
    rig.genesys.resume()
    rig.wait_for_ends(frozen, timeout_seconds=90)
    assert {rig.outcome(event_id).verdict for event_id in [*away, *frozen]} == {"rendered"}
    assert {rig.posts_of(event_id) for event_id in [*away, *frozen]} == {1}


def stored(rig: Rig) -> set[str]:
    return {record.event_id for record in rig.ledger.lifecycle if record.state == "stored"}


def test_a_conversation_that_has_ended_is_a_dead_letter_that_says_so(rig: Rig) -> None:
    rig.genesys.control.call("PUT", "/conversations/over")
    rig.genesys.control.call("POST", "/conversations/over/close")
    event_id = rig.drop(conversationId="over")
    rig.wait_for_ends([event_id])
    assert [letter.reason for letter in rig.dead_letters(event_id)] == ["conversation_closed"]
