"""Orders about conversations by command, on Apache Kafka; the worker's part is played by the test.

With workers: tests/system/test_orders.py.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

import pytest
from msgspec import convert

from stream.__main__ import main
from stream.failures import Reason, Refused, Stage
from stream.kafka.provisioning import provision
from stream.kafka.snapshot import StoredRecord, records
from stream.messages import (
    Attachment,
    ConversationRecord,
    Order,
    Picture,
    Preview,
    dead_letter_key,
    decode_lifecycle_command,
    encode,
    order_id,
)
from stream.records.conversations import ConversationRow
from stream.records.headers import dead_letter, dead_letter_headers
from stream.records.homes import partition_of
from stream.settings import KafkaSettings
from stream.topics import Topics
from tests.contract.own_topics import WAIT_SECONDS, produce, run, topics_of_its_own
from tests.contract.test_dead_letters import bury, listed
from tests.harness.kafka import RealKafka

BROKEN = "storage_refused: no such bucket"
NOW = 1_790_000_000.0
ANSWERS: dict[str, dict[str, Any]] = {
    "erase": {"state": "erased", "previews": 3},
    "hold": {"state": "held", "previews": 1},
    "release": {"state": "released"},
}


@pytest.fixture
def settings(kafka: RealKafka) -> Iterator[KafkaSettings]:
    with topics_of_its_own(kafka) as own:
        provision(own, create=True, wait_seconds=WAIT_SECONDS)
        yield own


@contextmanager
def worker(settings: KafkaSettings) -> Iterator[list[Order]]:
    """Play the worker: answer each order once, but refuse what is held and make a dead letter of what is broken."""
    topics, taken, end = Topics.of(settings), list[Order](), Event()

    def work() -> None:
        while not end.is_set():
            for record in list(records(settings, topics.lifecycle)):
                order = decode_lifecycle_command(record.value or b"")
                if isinstance(order, Order) and order not in taken:
                    taken.append(order)
                    produce(settings, *answer(topics, order, record))

    thread = Thread(target=work)
    thread.start()
    try:
        yield taken
    finally:
        end.set()
        thread.join()


def answer(topics: Topics, order: Order, record: StoredRecord) -> tuple[str, tuple[bytes | None, bytes, Any]]:
    """Return the topic and record with which an order ends."""
    name, key = type(order).__name__.lower(), order.conversation_id.encode()
    if order.conversation_id == "broken":
        broken = Refused(Reason.STORAGE_REFUSED, "no such bucket")
        letter = dead_letter(
            broken,
            stage=Stage.LIFECYCLE,
            origin=record.position,
            key=key,
            payload=record.value or b"",
            headers=[],
            now=NOW,
            event_id="",
        )
        return topics.dead_letters, (dead_letter_key(letter), encode(letter), dead_letter_headers(letter))
    held = {"state": "refused", "reason": "the conversation is held: release it first"}
    state = held if order.conversation_id == "held" and name == "erase" else ANSWERS[name]
    ids = {"orderId": order_id(order), "conversationId": order.conversation_id}
    about = {"command": name, "by": order.by, "note": order.note, "at": order.ordered_at}
    told = convert({"kind": "conversation", **ids, **about, **state}, ConversationRecord)
    return topics.results, (key, encode(told), None)


def test_each_order_is_sent_to_its_conversation_and_its_answer_told(
    settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with worker(settings) as taken:
        assert run(settings, monkeypatch, "hold", "c-1", "--by", "ada", "--note", "case 7") == 0
        assert run(settings, monkeypatch, "release", "c-1") == 0
        assert run(settings, monkeypatch, "erase", "c-1", "c-2", "--yes") == 0
    said = capsys.readouterr()
    *first, one, another = said.out.splitlines()
    assert first == ["c-1: held: 1 preview", "c-1: released: 0 previews"]
    assert {one, another} == {"c-1: erased: 3 previews", "c-2: erased: 3 previews"}
    assert said.err == ""
    assert (taken[0].by, taken[0].note, taken[0].order_id != taken[1].order_id) == ("ada", "case 7", True)
    for record in records(settings, Topics.of(settings).lifecycle):
        assert record.position.partition == partition_of(record.key or b"", settings.topic_partitions)
        assert record.key in {b"c-1", b"c-2"}


def test_what_is_refused_or_fails_is_told_and_the_rest_is_done(
    settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with worker(settings):
        assert run(settings, monkeypatch, "erase", "held", "broken", "free", "--yes") == 1
        said = capsys.readouterr()
        assert said.out == "free: erased: 3 previews\n"
        assert sorted(said.err.splitlines()) == [
            f"broken: the order became a dead letter, to be replayed once that is mended: {BROKEN}",
            "held: refused: the conversation is held: release it first",
        ]
        assert run(settings, monkeypatch, "erase", "held", "broken", "free", "--yes", "--json") == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["conversationId"]: line["state"] for line in lines} == {
        "held": "refused",
        "broken": "dead_letter",
        "free": "erased",
    }


def test_an_order_without_a_worker_stands_in_kafka(
    settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(settings, monkeypatch, "hold", "c", "--wait-seconds", "0.5") == 1
    assert "c: no answer in time. The order stands in Kafka" in capsys.readouterr().err
    assert run(settings, monkeypatch, "release", "c", "--no-wait") == 0
    assert capsys.readouterr().out.startswith("c: ordered, as ")
    with worker(settings) as taken:
        assert run(settings, monkeypatch, "erase", "c", "--yes") == 0
    assert [type(order).__name__ for order in taken] == ["Hold", "Release", "Erase"]


def test_the_dead_letters_of_what_was_erased_go_too_and_those_of_what_is_held_stay(
    settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("erased", "held", "another"):
        bury(settings, name, b"{}", conversation=name.encode())
    with worker(settings):
        assert run(settings, monkeypatch, "erase", "erased", "held", "--yes", "--dead-letters") == 1
        said = capsys.readouterr()
        assert "purged 1 of 1\n" in said.out
        assert "dead letters of what is not erased stay\n" in said.err
        assert listed(settings, monkeypatch, capsys) == {"held", "another"}
        assert run(settings, monkeypatch, "erase", "erased", "--yes", "--dead-letters") == 0  # there are none


def test_an_order_before_there_are_topics_ends_with_one_line(
    kafka: RealKafka, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with topics_of_its_own(kafka) as none:
        assert run(none, monkeypatch, "hold", "c") == 1
    said = capsys.readouterr().err
    assert "Unknown topic" in said
    assert said.count("\n") == 1


def mark_as_erased(settings: KafkaSettings, conversation: str) -> None:
    """Write what a worker writes of an erased conversation."""
    row = ConversationRow(state="erased", order_id="1", at=NOW)
    produce(settings, Topics.of(settings).conversations_changelog, (conversation.encode(), encode(row), None))


def test_a_replay_leaves_what_was_erased_alone(
    settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mark_as_erased(settings, "gone")
    bury(settings, "evt-1", b"{}", conversation=b"gone")
    bury(settings, "evt-2", b"{}", conversation=b"here")
    assert run(settings, monkeypatch, "dead-letters", "replay", "--all", "--yes") == 1
    said = capsys.readouterr()
    assert said.out == "replayed 1 of 2\n"
    assert "not replayed: its conversation was erased" in said.err
    assert [record.key for record in records(settings, Topics.of(settings).previews)] == [b"here"]


def test_what_has_no_end_is_not_sent_again_for_an_erased_conversation(
    settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mark_as_erased(settings, "gone")
    topics, picture = Topics.of(settings), Picture(width_px=1, height_px=1, size_bytes=1)
    for name in ("gone", "here"):
        attachment = Attachment(event_id=name, conversation_id=name, attachment_url="https://h/f", received_at=1.0)
        preview = Preview(attachment=attachment, object_key=name, picture=picture, expires_at=9.0)
        produce(settings, topics.attachments, (name.encode(), encode(attachment), None))
        produce(settings, topics.previews, (name.encode(), encode(preview), None))
    again = ("unfinished", "--again", "--expiries", "--yes", "--json")
    assert run(settings, monkeypatch, *again) == 0
    *lines, total = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["eventId"] for line in lines] == ["here"]
    assert total == {"unfinished": 1, "erased": 1, "expiries": 1, "orders": 0, "sent": 2}
    assert [record.key for record in records(settings, topics.lifecycle)] == [b"here"]
    assert run(settings, monkeypatch, "unfinished") == 1
    assert capsys.readouterr().out.endswith("; 1 events of erased conversations left out\n")


def test_what_stands_is_ordered_again_once_the_table_is_lost(
    settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with worker(settings) as taken:
        assert run(settings, monkeypatch, "erase", "held", "c-1", "--yes", "--by", "ada", "--note", "article 17") == 1
        assert run(settings, monkeypatch, "hold", "held", "c-2") == 0
        assert run(settings, monkeypatch, "release", "c-2") == 0
    capsys.readouterr()
    stand = {order.conversation_id: order.order_id for order in taken if type(order).__name__ != "Release"}
    so_far = len(list(records(settings, Topics.of(settings).lifecycle)))
    assert run(settings, monkeypatch, "unfinished", "--orders", "--yes", "--json") == 0
    assert json.loads(capsys.readouterr().out)["orders"] == 2
    found = list(records(settings, Topics.of(settings).lifecycle))
    again = [decode_lifecycle_command(record.value or b"") for record in found][so_far:]
    assert len(found) == so_far + 2
    orders = {one.conversation_id: one for one in again if isinstance(one, Order)}
    assert {(name, type(one).__name__, one.order_id) for name, one in orders.items()} == {
        ("c-1", "Erase", stand["c-1"]),
        ("held", "Hold", stand["held"]),
    }
    assert (orders["c-1"].by, orders["c-1"].note) == ("ada", "article 17")


def test_a_deployment_without_the_table_replays_and_says_what_it_does_not_know(
    settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    older = KafkaSettings(**{name: getattr(settings, name) for name in ("kafka_bootstrap_servers", "topic_prefix")})
    bury(settings, "evt-1", b"{}")
    monkeypatch.delenv("WORKER_GROUP", raising=False)
    for name in ("kafka_bootstrap_servers", "topic_prefix"):
        monkeypatch.setenv(name.upper(), getattr(settings, name))
    assert main(["dead-letters", "replay", "--all"]) == 0
    said = capsys.readouterr()
    assert said.out == "replayed 1 of 1\n"
    missing = Topics.of(older).conversations_changelog
    assert said.err.startswith(f"which conversations are erased is not known: topic {missing} does not exist")
