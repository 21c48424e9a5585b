"""Dead letters by command: what is ours to mend is listed, shown, and goes back once it is mended."""

import json

import pytest

from stream.records.headers import Delivery
from tests.harness.genesys.faults import Fault
from tests.harness.kafka import RealKafka
from tests.harness.s3 import Minio
from tests.system.rig import Rig, running

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

REFUSED = Fault(kind="status", call="post_to_communication", status=400, message="the body is not as it should be")


def test_a_dead_letter_is_listed_shown_and_replayed_once_its_cause_is_mended(
    kafka: RealKafka, minio: Minio, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with running(tmp_path_factory.mktemp("dead-letters"), kafka, minio) as rig:
        rig.product.add_worker()
        rig.genesys.control.add_fault(REFUSED)
        event_id = rig.drop()
        rig.produce(rig.topics.attachments, b"\x1b[31mjunk\x07")
        rig.wait_for_ends([event_id])
        (letter,) = rig.dead_letters(event_id)
        assert (letter.reason, letter.stage, letter.attempt) == ("genesys_refused", "link", 1)
        assert "the body is not as it should be" in letter.message
        rig.wait("the foreign record", lambda: len(rig.ledger.dead_letters) == 2)
        looks_as_it_should(rig, event_id)
        changes_nothing_when_dry(rig, event_id)

        assert replay(rig, event_id) == 0
        rig.wait("the same refusal again", lambda: len(rig.dead_letters(event_id)) == 2)
        assert rig.dead_letters(event_id)[1].replays == 1
        rig.genesys.control.clear_faults()
        assert replay(rig, event_id) == 0
        rig.wait("the link", lambda: any(outcome.event_id == event_id for outcome in rig.ledger.outcomes))
        assert (rig.outcome(event_id).outcome, rig.posts_of(event_id)) == ("linked", 1)
        replays = [Delivery.from_headers(record.headers).replays for record in rig.records(rig.topics.previews)]
        assert replays == [0, 1, 2]
        assert replay(rig, event_id) == 0  # once more, by mistake
        rig.wait("a copy of the outcome", lambda: len(rig.ledger.outcomes) == 2)
        assert rig.posts_of(event_id) == 1
        assert rig.product.run("stream", "dead-letters", "replay", "no-such-event")[0] == 3
        purges_one_event_and_no_other(rig, event_id)
        assert rig.product.workers[0].stop(60) == 0


def looks_as_it_should(rig: Rig, event_id: str) -> None:
    code, listed = rig.product.run("stream", "dead-letters", "list")
    assert code == 0
    assert "genesys_refused" in listed
    assert "undecodable" in listed
    code, listed = rig.product.run("stream", "dead-letters", "list", "--reason", "genesys_refused", "--json")
    (line,) = [json.loads(line) for line in listed.splitlines()]
    assert (code, line["letter"]["eventId"]) == (0, event_id)
    code, shown = rig.product.run("stream", "dead-letters", "show", event_id)
    assert code == 0
    assert "photo.png" in shown
    (foreign,) = [letter for letter in rig.ledger.dead_letters if not letter.event_id]
    origin = f"{foreign.origin.topic}:{foreign.origin.partition}:{foreign.origin.offset}"
    code, shown = rig.product.run("stream", "dead-letters", "show", origin)
    assert code == 0
    assert "junk" in shown
    assert "\x1b" not in shown


def changes_nothing_when_dry(rig: Rig, event_id: str) -> None:
    code, told = rig.product.run("stream", "dead-letters", "replay", event_id, "--dry-run")
    assert (code, "would replay 1 of 1" in told) == (0, True)
    assert len(rig.records(rig.topics.previews)) == 1


def purges_one_event_and_no_other(rig: Rig, event_id: str) -> None:
    code, told = rig.product.run("stream", "dead-letters", "purge", "--conversation", "conversation-0", "--yes")
    assert (code, "purged 2 of 2" in told) == (0, True)
    code, listed = rig.product.run("stream", "dead-letters", "list", "--json")
    assert (code, event_id in listed, len(listed.splitlines())) == (0, False, 1)
    assert rig.product.run("stream", "dead-letters", "purge", event_id, "--yes")[0] == 3


def replay(rig: Rig, event_id: str) -> int:
    code, told = rig.product.run("stream", "dead-letters", "replay", event_id)
    assert "replayed 1" in told
    return code
