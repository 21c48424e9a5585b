from typing import Literal

from msgspec.structs import replace

from stream.kafka.snapshot import StoredRecord
from stream.messages import (
    Attachment,
    ConversationRecord,
    DeadLetter,
    Erase,
    Expire,
    Hold,
    LifecycleRecord,
    Origin,
    Outcome,
    Picture,
    Preview,
    Variant,
    encode,
)
from stream.unfinished.audit import ends, expiries, orders, unfinished

ORIGIN = Origin(topic="attachments", partition=0, offset=0)
PICTURE = Picture(width_px=1, height_px=1, size_bytes=1)


def stored(*values: object) -> list[StoredRecord]:
    """Return the values as they lie in a topic, between records of others."""
    raw = [encode(value) for value in values]
    return [
        StoredRecord(replace(ORIGIN, offset=offset), b"k", value, None)
        for offset, value in enumerate([b"junk", None, *raw])
    ]


def attachment(event_id: str, received_at: float | None = 1.0) -> Attachment:
    return Attachment(event_id=event_id, conversation_id="c", attachment_url="https://h/f", received_at=received_at)


def preview(key: str, *variants: str) -> Preview:
    sizes = tuple(Variant(width_px=1, height_px=1, size_bytes=1, object_key=name, url="u") for name in variants)
    picture = replace(PICTURE, variants=sizes)
    return Preview(attachment=attachment("e"), object_key=key, picture=picture, expires_at=9.0)


def test_an_outcome_and_a_dead_letter_are_ends_and_what_became_of_a_preview_is_none() -> None:
    outcome = Outcome(event_id="a", conversation_id="c", outcome="linked", verdict="rendered", finished_at=1.0)
    deleted = LifecycleRecord(event_id="x", conversation_id="c", object_key="k", state="expired", at=1.0)
    erased = replace(deleted, object_key="m", state="erased")
    answer = ConversationRecord(order_id="o", conversation_id="c", command="erase", state="erased", at=1.0)
    kept = LifecycleRecord(event_id="y", conversation_id="c", object_key="l", state="stored", at=1.0)
    letter = DeadLetter(
        reason="r",
        stage="s",
        message="",
        origin=ORIGIN,
        attempt=1,
        first_at=1.0,
        last_at=1.0,
        event_id="b",
        payload=b"",
    )
    found = ends(stored(outcome, deleted, erased, answer, kept), stored(letter))
    assert (found.events, found.previews) == ({"a", "b"}, {"k", "m"})


def test_an_event_without_an_end_is_told_once_by_its_latest_record() -> None:
    records = stored(attachment("done"), attachment("left"), attachment("left"), attachment("late", 7.0))
    (found,) = unfinished(records, {"done"}, until=5.0)
    assert (found.attachment.event_id, found.record.position.offset) == ("left", 4)


def test_an_event_of_which_nobody_knows_when_it_came_is_told() -> None:
    assert [item.attachment.event_id for item in unfinished(stored(attachment("e", None)), set(), 5.0)] == ["e"]


def test_each_picture_that_is_not_deleted_gets_one_order_for_its_time() -> None:
    orders = expiries(stored(preview("a", "a-small"), preview("a"), preview("b")), {"b"})
    assert orders == [
        Expire(event_id="e", conversation_id="c", object_key=key, expires_at=9.0) for key in ("a", "a-small")
    ]


def test_previews_of_an_erased_conversation_need_no_order() -> None:
    assert expiries(stored(preview("a")), set(), {"another"})
    assert not expiries(stored(preview("a")), set(), {"c"})


def answer(number: int, state: Literal["erased", "held", "released", "refused"], name: str = "c") -> ConversationRecord:
    return ConversationRecord(
        order_id=str(number), conversation_id=name, command="hold", state=state, by="ada", note="n", at=float(number)
    )


def test_what_stands_of_a_conversation_is_ordered_again_as_it_was() -> None:
    erased, held = answer(1, "erased"), answer(2, "held", "d")
    assert orders(stored(erased, held, answer(3, "refused"), answer(4, "refused", "d"))) == [
        Erase(conversation_id="c", order_id="1", by="ada", note="n"),
        Hold(conversation_id="d", order_id="2", by="ada", note="n"),
    ]


def test_what_was_released_is_not_held_again_in_whatever_order_partitions_are_read() -> None:
    held, released, again = answer(1, "held"), answer(2, "released"), answer(3, "held")
    assert orders(stored(held, released)) == orders(stored(released, held)) == []
    assert [order.order_id for order in orders(stored(again, held, released))] == ["3"]
