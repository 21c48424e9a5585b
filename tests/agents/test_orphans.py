import pytest

from agents.orphans import compare, referred_to
from agents.row_names import expiry_row
from agents.storage import StoredObject
from agents.tables.due import DueRow
from stream.kafka.snapshot import StoredRecord
from stream.messages import Expire, Forget, LifecycleCommand, Origin, Together, encode

NOW = 1_000_000.0


def key(number: int) -> str:
    return f"{number:032x}/{number:040x}.webp"


def expire(number: int) -> Expire:
    return Expire(event_id=f"e{number}", conversation_id="c", object_key=key(number), expires_at=NOW)


def record(row: str, command: LifecycleCommand | None, partition: int = 0) -> StoredRecord:
    value = None if command is None else encode(DueRow(due_at=NOW, topic="lifecycle", value=encode(command)))
    return StoredRecord(Origin(topic="due-changelog", partition=partition, offset=0), row.encode(), value, None)


def expiry(number: int) -> StoredRecord:
    return record(expiry_row(key(number)), expire(number))


def stored(number: int, modified_at: float = 0.0) -> StoredObject:
    return StoredObject(key(number), 100, modified_at)


def test_what_has_a_row_is_referred_to_until_the_row_is_deleted() -> None:
    gone = record(expiry_row(key(1)), None)
    assert referred_to([expiry(1), expiry(2), gone]) == {key(2)}


def test_a_row_that_is_written_again_refers_to_its_object() -> None:
    assert referred_to([expiry(1), record(expiry_row(key(1)), None), expiry(1)]) == {key(1)}


def test_a_row_that_was_moved_to_a_new_partition_refers_to_its_object_in_whichever_order_partitions_are_read() -> None:
    old, moved, ended = (record(expiry_row(key(1)), *rest) for rest in ((expire(1), 0), (expire(1), 5), (None, 0)))
    assert referred_to([moved, old, ended]) == referred_to([old, ended, moved]) == {key(1)}


def test_expiries_that_are_tried_again_refer_to_their_objects_until_they_are_done() -> None:
    again = record("again/lifecycle/7/0.000", Together(commands=(expire(1), Forget(event_id="e9"), expire(2))))
    assert referred_to([again]) == {key(1), key(2)}
    assert referred_to([again, record("again/lifecycle/7/0.000", None)]) == set()


@pytest.mark.parametrize("value", [None, b"", b"{not json", b"{}", encode(DueRow(due_at=NOW, topic="attachments"))])
def test_other_rows_refer_to_nothing(value: bytes | None) -> None:
    place = Origin(topic="due-changelog", partition=0, offset=0)
    assert referred_to([StoredRecord(place, b"again/attachments/1/0.000", value, None)]) == set()
    assert referred_to([StoredRecord(place, None, value, None)]) == set()


def test_a_preview_without_a_row_is_an_orphan_once_it_is_older_than_the_grace_period() -> None:
    listed = [stored(1), stored(2), stored(3, modified_at=NOW)]
    found = compare(listed, {key(1)}, modified_before=NOW)
    assert found.orphans == [stored(2)]
    assert (found.objects, found.young, found.orphan_bytes) == (3, 1, 100)


def test_what_is_not_of_our_form_is_left_alone() -> None:
    foreign = ["index.html", key(1).upper(), f"x/{key(1)}", key(1).removesuffix(".webp"), f"{key(1)}\n"]
    found = compare([StoredObject(name, 1, 0.0) for name in foreign], set(), modified_before=NOW)
    assert (found.orphans, found.foreign, found.objects) == ([], len(foreign), 0)


def test_a_row_whose_object_is_not_there_is_counted() -> None:
    assert compare([stored(1)], {key(1), key(2)}, modified_before=NOW).rows_without_object == 1


def test_a_preview_of_a_held_conversation_is_no_orphan() -> None:
    found = compare([stored(1), stored(2)], set(), modified_before=NOW, held={key(1).partition("/")[0] + "/"})
    assert [one.key for one in found.orphans] == [key(2)]
