from typing import Any

import pytest
from msgspec.structs import replace

from stream.backfill.known import Delivered, Known, Mark, _digest, known_of
from stream.backfill.reading import GuestFile
from stream.backfill.window import Window
from stream.kafka.snapshot import StoredRecord
from stream.messages import Attachment, LifecycleRecord, Origin, Outcome, Picture, Preview, encode
from stream.settings import KafkaSettings
from stream.topics import Topics
from tests.stream.backfill.guest_files import SENT_AT, delivered, guest_file
from tests.stream.letters import LETTER

TOPICS = Topics.of(KafkaSettings())
WINDOW = Window(SENT_AT - 100, SENT_AT + 100)


def stored(topic: str, value: object) -> StoredRecord:
    data = value if isinstance(value, bytes) or value is None else encode(value)
    return StoredRecord(Origin(topic=topic, partition=0, offset=0), None, data, None)


def marks(files: list[GuestFile], *events: Delivered, by_name: bool = True) -> dict[str, str]:
    known = Known()
    for event in events:
        known.add("conversation", event)
    found = known.marks("conversation", files, by_name=by_name)
    return {file.attachment.event_id: mark.value for file, mark in found.items()}


@pytest.mark.parametrize(
    ("event", "mark"),
    [
        ({"event_id": "m1:f1"}, "event id"),
        ({"message_id": "m1", "attachment_id": "f1"}, "message"),
        ({"message_id": "m1", "file_name": "1.png"}, "message"),
        ({"message_id": "m1"}, "message"),
        ({"address": _digest("https://api.example.com/api/v2/downloads/1")}, "address"),
        ({"file_name": "1.png"}, "file name"),
    ],
)
def test_a_delivered_file_is_known_by_whatever_its_event_tells(event: dict[str, Any], mark: str) -> None:
    assert marks([guest_file(1), guest_file(2)], delivered(**event)) == {"m1:f1": mark}


@pytest.mark.parametrize(
    "event",
    [
        {"message_id": "m1", "attachment_id": "another"},
        {"message_id": "m1", "file_name": "another.png"},
        {"message_id": "m1", "address": b"another file's"},
        {"file_name": "1.png", "at": SENT_AT - 61},
        {"file_name": "1.png", "at": SENT_AT + 601},
        {},
    ],
)
def test_an_event_of_another_file_excuses_none(event: dict[str, Any]) -> None:
    assert marks([guest_file(1)], delivered(**event)) == {}


def test_an_event_of_another_conversation_excuses_none() -> None:
    known = Known()
    known.add("another", delivered(file_name="1.png"))
    assert known.marks("conversation", [guest_file(1)]) == {}


def test_a_name_excuses_one_file_for_each_event_the_nearest_in_time_first() -> None:
    """A guest who sends three photos from a phone sends three files named image.jpg."""
    files = [guest_file(n, file_name="image.jpg", sent_at=SENT_AT + 100 * n) for n in (1, 2, 3)]
    event = delivered(file_name="image.jpg", at=SENT_AT + 205)
    assert marks(files, event) == {"m2:f2": "file name"}
    late = delivered("another", file_name="image.jpg", at=SENT_AT + 390)
    assert marks(files, event, late) == {"m2:f2": "file name", "m3:f3": "file name"}


def test_an_event_that_a_better_mark_explains_excuses_no_other_file_by_its_name() -> None:
    """Of two files of one name the first was published by an earlier backfill."""
    files = [guest_file(n, file_name="image.jpg", sent_at=SENT_AT + n) for n in (1, 2)]
    assert marks(files, delivered("m1:f1", file_name="image.jpg")) == {"m1:f1": "event id"}


def test_times_that_nobody_tells_rule_nothing_out_but_come_last() -> None:
    assert marks([guest_file(1)], delivered(file_name="1.png", at=None)) == {"m1:f1": "file name"}
    assert marks([guest_file(1, sent_at=None)], delivered(file_name="1.png")) == {"m1:f1": "file name"}
    timed, untimed = guest_file(1, file_name="a"), guest_file(2, file_name="a", sent_at=None)
    assert marks([untimed, timed], delivered(file_name="a")) == {"m1:f1": "file name"}


def test_names_can_be_left_aside() -> None:
    events = (delivered(file_name="1.png"), delivered("m2:f2"))
    assert marks([guest_file(1), guest_file(2)], *events, by_name=False) == {"m2:f2": Mark.EVENT_ID}


def attachment(event_id: str, at: float | None = SENT_AT + 1) -> Attachment:
    return Attachment(event_id=event_id, conversation_id="conversation", attachment_url="https://f/", received_at=at)


def known_files(*records: StoredRecord) -> list[str]:
    found = known_of(records, TOPICS, WINDOW).marks("conversation", [guest_file(n) for n in (1, 2, 3)], by_name=False)
    return [file.attachment.event_id for file in found]


def test_results_and_dead_letters_tell_of_deliveries_too() -> None:
    outcome = Outcome(
        event_id="m1:f1", conversation_id="conversation", outcome="linked", verdict="rendered", finished_at=SENT_AT + 9
    )
    assert known_files(stored(TOPICS.results, outcome)) == ["m1:f1"]
    picture = Picture(width_px=1, height_px=1, size_bytes=1)
    preview = Preview(attachment=attachment("m2:f2"), object_key="key", picture=picture, expires_at=1.0)
    for topic, value, event_id in (
        (TOPICS.attachments, attachment("m3:f3"), "m3:f3"),
        (TOPICS.previews, preview, "m2:f2"),
    ):
        origin = Origin(topic=topic, partition=0, offset=0)
        letter = stored(TOPICS.dead_letters, replace(LETTER, origin=origin, payload=encode(value)))
        assert known_files(letter) == [event_id]


def test_records_that_tell_nothing_are_passed_over() -> None:
    stored_at = LifecycleRecord(
        event_id="m1:f1", conversation_id="conversation", object_key="key", state="stored", at=SENT_AT
    )
    expiry = replace(LETTER, origin=Origin(topic=TOPICS.lifecycle, partition=0, offset=0), payload=b"{}")
    assert not known_files(
        stored(TOPICS.attachments, b"nonsense"),
        stored(TOPICS.attachments, None),
        stored(TOPICS.results, stored_at),
        stored(TOPICS.dead_letters, expiry),
        stored(TOPICS.dead_letters, replace(LETTER, origin=Origin(topic=TOPICS.attachments, partition=0, offset=0))),
    )


def test_what_came_before_the_window_is_of_no_message_in_it() -> None:
    before = [stored(TOPICS.attachments, attachment("m1:f1", at)) for at in (WINDOW.since - 61, 0.0)]
    assert known_files(*before) == []
    assert known_files(stored(TOPICS.attachments, attachment("m1:f1", WINDOW.since - 59))) == ["m1:f1"]
    assert known_files(stored(TOPICS.attachments, attachment("m1:f1", None))) == ["m1:f1"]
