"""Dead letters on Apache Kafka: listed, shown, sent back and removed by command."""

import base64
import io
import itertools
import json
import sys
import time
from collections.abc import Iterator

import pytest

from stream.failures import Reason, Refused, Stage
from stream.kafka.provisioning import provision
from stream.kafka.snapshot import records
from stream.messages import Origin, dead_letter_key, encode
from stream.records.headers import Delivery, as_dict, dead_letter, dead_letter_headers
from stream.settings import KafkaSettings
from stream.topics import Topics
from tests.contract.own_topics import WAIT_SECONDS, alter, produce, run, topics_of_its_own
from tests.harness.kafka import RealKafka

FIRST_AT = 1_790_000_000.0
MOMENTS = itertools.count()
COMPACTION_SECONDS = 90.0  # the cleaner looks every 15 s


@pytest.fixture
def settings(kafka: RealKafka) -> Iterator[KafkaSettings]:
    with topics_of_its_own(kafka) as own:
        provision(own, create=True, wait_seconds=WAIT_SECONDS)
        yield own


def bury(
    settings: KafkaSettings,
    event_id: str,
    payload: bytes,
    reason: Reason = Reason.GENESYS_REFUSED,
    *,
    conversation: bytes = b"conversation-1",
    replays: int = 0,
) -> None:
    """File a dead letter of a record of [previews]."""
    topics = Topics.of(settings)
    letter = dead_letter(
        Refused(reason, "made up"),
        stage=Stage.LINK,
        origin=Origin(topic=topics.previews, partition=1, offset=7),
        key=conversation,
        payload=payload,
        headers=[("attempt", b"4"), ("traceparent", b"00-1"), ("replays", str(replays).encode())],
        now=FIRST_AT + next(MOMENTS),
        event_id=event_id,
    )
    produce(settings, topics.dead_letters, (dead_letter_key(letter), encode(letter), dead_letter_headers(letter)))


def test_dead_letters_are_listed_by_reason_and_what_is_none_beside_them(
    settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bury(settings, "evt-1", b"{}")
    bury(settings, "evt-2", b"{}", Reason.INTERNAL)
    produce(settings, Topics.of(settings).dead_letters, (b"k", b"not a dead letter", None))
    assert run(settings, monkeypatch, "dead-letters", "list") == 0
    assert capsys.readouterr().out.endswith("dead letters: 3 (1 genesys_refused, 1 internal, 1 not a dead letter)\n")
    assert run(settings, monkeypatch, "dead-letters", "list", "--json", "--reason", "genesys_refused") == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["letter"]["eventId"] == "evt-1"
    assert run(settings, monkeypatch, "dead-letters", "list", "--since", "1h") == 3
    assert capsys.readouterr().out == "dead letters: 0\n"


def test_a_dead_letter_is_shown_by_event_id_or_position_with_its_original_bytes(
    settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    payload = b'{"objectKey":"\x1b[2J"}\xff'
    bury(settings, "evt-1", payload)
    assert run(settings, monkeypatch, "dead-letters", "show", "evt-1") == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "traceparent" in shown
    position = f"{Topics.of(settings).previews}:1:7"
    assert run(settings, monkeypatch, "dead-letters", "show", position, "--json") == 0
    assert json.loads(capsys.readouterr().out)["letter"]["payload"] == base64.b64encode(payload).decode()
    assert run(settings, monkeypatch, "dead-letters", "show", "evt-9") == 3
    raw = io.BytesIO()
    with monkeypatch.context() as patched, io.TextIOWrapper(raw) as stdout:
        patched.setattr(sys, "stdout", stdout)
        assert run(settings, monkeypatch, "dead-letters", "show", "evt-1", "--raw") == 0
        assert raw.getvalue() == payload


def test_a_replay_goes_back_by_key_as_a_first_attempt_and_only_when_meant(
    settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    previews = Topics.of(settings).previews
    bury(settings, "evt-1", b"\xffbytes")
    bury(settings, "evt-2", b"{}")
    assert run(settings, monkeypatch, "dead-letters", "replay", "evt-1", "--dry-run") == 0
    assert run(settings, monkeypatch, "dead-letters", "replay", "--stage", "link") == 1  # nobody is there to say yes
    assert list(records(settings, previews)) == []

    assert run(settings, monkeypatch, "dead-letters", "replay", "evt-1") == 0
    (replayed,) = records(settings, previews)
    assert (replayed.key, replayed.value) == (b"conversation-1", b"\xffbytes")
    delivery = Delivery.from_headers(replayed.headers)
    assert (delivery.attempt, delivery.replays) == (1, 1)
    assert delivery.first_at is not None
    assert delivery.first_at >= FIRST_AT
    assert as_dict(replayed.headers)["traceparent"] == b"00-1"

    assert run(settings, monkeypatch, "dead-letters", "replay", "--stage", "link", "--yes", "--rate", "0") == 0
    again = list(records(settings, previews))
    assert len(again) == 3
    assert len({record.position.partition for record in again}) == 1


def listed(settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> set[str]:
    capsys.readouterr()
    run(settings, monkeypatch, "dead-letters", "list", "--json")
    return {json.loads(line)["letter"]["eventId"] for line in capsys.readouterr().out.splitlines()}


def test_a_replay_tells_in_json_what_it_did_and_stops_at_its_cap(
    settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bury(settings, "evt-1", b"{}")
    bury(settings, "evt-2", b"{}", replays=3)
    replay = ("dead-letters", "replay", "--all", "--yes", "--json")
    assert run(settings, monkeypatch, *replay, "--dry-run") == 1
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {
        "matched": 2,
        "would_replay": 1,
        "refused": 1,
        "failed": 0,
    }
    assert run(settings, monkeypatch, *replay) == 1
    *lines, total = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["eventId"]: line["result"] for line in lines} == {"evt-1": "replayed", "evt-2": "refused"}
    assert total == {"matched": 2, "replayed": 1, "refused": 1, "failed": 0}
    assert run(settings, monkeypatch, *replay, "--force") == 0
    assert run(settings, monkeypatch, *replay, "--conversation", "nobody's") == 3
    assert len(list(records(settings, Topics.of(settings).previews))) == 3


def test_a_purge_removes_the_letters_of_a_conversation_and_leaves_all_others(
    settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(20):
        bury(settings, f"evt-{number}", b"{}", conversation=b"erased" if number % 3 else b"kept")
    purge = ("dead-letters", "purge", "--conversation", "erased", "--json")
    assert run(settings, monkeypatch, *purge) == 1  # nobody is there to say yes
    assert run(settings, monkeypatch, *purge, "--dry-run") == 0
    assert len(listed(settings, monkeypatch, capsys)) == 20
    assert run(settings, monkeypatch, *purge, "--yes") == 0
    *lines, total = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["result"] for line in lines} == {"purged"}
    assert total == {"matched": 13, "purged": 13, "refused": 0, "failed": 0}
    assert listed(settings, monkeypatch, capsys) == {f"evt-{number}" for number in range(0, 20, 3)}
    assert run(settings, monkeypatch, *purge, "--yes") == 3


def test_a_purge_of_all_leaves_no_byte_whatever_the_keys_and_the_policy(
    settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = Topics.of(settings).dead_letters
    alter(settings, topic, "cleanup.policy", "delete")
    bury(settings, "evt-1", b"{}")
    produce(settings, topic, (None, b"not a dead letter", None), (b"key", b"nor this", None))
    assert run(settings, monkeypatch, "dead-letters", "purge", "--all", "--yes") == 0
    assert list(records(settings, topic)) == []


def test_a_purge_names_what_cannot_go_alone_from_a_topic_that_is_not_compacted(
    settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    alter(settings, Topics.of(settings).dead_letters, "cleanup.policy", "delete")
    for number in range(20):
        bury(settings, f"evt-{number}", b"{}", conversation=b"kept" if number < 10 else b"erased")
    assert run(settings, monkeypatch, "dead-letters", "purge", "--conversation", "erased", "--yes") == 1
    assert "not compacted" in capsys.readouterr().err
    assert {f"evt-{number}" for number in range(10)} <= listed(settings, monkeypatch, capsys)


def test_a_compacted_topic_forgets_what_was_purged_and_nothing_else(
    settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    topic = Topics.of(settings).dead_letters
    for name, value in (("max.compaction.lag.ms", "1"), ("min.cleanable.dirty.ratio", "0.01"), ("segment.ms", "1")):
        alter(settings, topic, name, value)
    for number in range(9):
        bury(settings, f"evt-{number}", b"{}", conversation=b"erased" if number % 2 else b"kept")
    assert run(settings, monkeypatch, "dead-letters", "purge", "--conversation", "erased", "--yes") == 0
    deadline = time.monotonic() + COMPACTION_SECONDS
    while erased_bytes(settings):
        assert time.monotonic() < deadline
        bury(settings, "evt-later", b"{}")  # Kafka closes a segment when the next record comes
    assert listed(settings, monkeypatch, capsys) == {"evt-later", *(f"evt-{number}" for number in range(0, 9, 2))}


def erased_bytes(settings: KafkaSettings) -> int:
    """Return how many letters of the erased conversation still lie in Kafka's files."""
    key = base64.b64encode(b"erased")
    return sum(key in (record.value or b"") for record in records(settings, Topics.of(settings).dead_letters))
