"""Which accepted events have no end, and which previews nobody will delete, by what the topics hold; pure.

As long as the tables are whole there is nothing to do about either: an event waits in them for its next try, a preview
for its time. Once they are lost the topics still tell.
"""

from collections.abc import Collection, Iterable, Iterator

import msgspec
from msgspec import Struct

from stream.kafka.snapshot import StoredRecord
from stream.messages import (
    Attachment,
    ConversationRecord,
    Erase,
    Expire,
    Hold,
    LifecycleRecord,
    Order,
    Outcome,
    decode_attachment,
    decode_dead_letter,
    decode_preview,
    decode_result,
)


class Ends(Struct, frozen=True):
    """What has ended: events by id, stored previews by object key."""

    events: set[str]
    previews: set[str]


class Unfinished(Struct, frozen=True):
    """An event without an end, and its record."""

    attachment: Attachment
    record: StoredRecord


def ends(results: Iterable[StoredRecord], dead_letters: Iterable[StoredRecord]) -> Ends:
    """Return what has an outcome or a dead letter, and what is deleted already."""
    found = Ends(set(), set())
    for record in results:
        try:
            result = decode_result(record.value or b"")
        except msgspec.DecodeError:
            continue
        if isinstance(result, Outcome):
            found.events.add(result.event_id)
        elif isinstance(result, LifecycleRecord) and result.state != "stored":
            found.previews.add(result.object_key)
    for record in dead_letters:
        try:
            found.events.add(decode_dead_letter(record.value or b"").event_id)
        except msgspec.DecodeError:  # a tombstone, or somebody else's
            continue
    return found


def unfinished(attachments: Iterable[StoredRecord], ended: Collection[str], until: float) -> list[Unfinished]:
    """Return the latest record of each event that came before a time, Unix seconds, and has not ended."""
    latest: dict[str, Unfinished] = {}
    for record in attachments:
        try:
            attachment = decode_attachment(record.value)
        except msgspec.DecodeError:  # it ends as a dead letter, which names no event
            continue
        if attachment.event_id not in ended and (attachment.received_at or 0.0) < until:
            latest[attachment.event_id] = Unfinished(attachment, record)
    return list(latest.values())


def expiries(previews: Iterable[StoredRecord], deleted: Collection[str], erased: Collection[str] = ()) -> list[Expire]:
    """Return the order to delete each picture that was stored and is not told to be deleted.

    Those of `erased` conversations are deleted by the order to erase them.
    """
    orders = {order.object_key: order for record in previews for order in _orders(record)}
    return [order for key, order in orders.items() if key not in deleted and order.conversation_id not in erased]


def orders(results: Iterable[StoredRecord]) -> list[Order]:
    """Return what stands of each conversation by its last answer: the order to erase or to hold it, with its id."""
    last: dict[str, ConversationRecord] = {}
    for record in results:
        try:
            answer = decode_result(record.value or b"")
        except msgspec.DecodeError:
            continue
        if isinstance(answer, ConversationRecord) and answer.state != "refused":
            before = last.get(answer.conversation_id, answer)  # in another partition where topics have grown since
            last[answer.conversation_id] = max(before, answer, key=lambda one: one.at)
    kinds: dict[str, type[Order]] = {"erased": Erase, "held": Hold}
    return [
        kinds[answer.state](conversation_id=name, order_id=answer.order_id, by=answer.by, note=answer.note)
        for name, answer in last.items()
        if answer.state in kinds
    ]


def _orders(record: StoredRecord) -> Iterator[Expire]:
    try:
        preview = decode_preview(record.value or b"")
    except msgspec.DecodeError:
        return
    for key in (preview.object_key, *(variant.object_key for variant in preview.picture.variants)):
        yield Expire(
            event_id=preview.attachment.event_id,
            conversation_id=preview.attachment.conversation_id,
            object_key=key,
            expires_at=preview.expires_at,
        )
