"""`python -m stream unfinished`: names events without an end, and sends again what lost tables would have sent."""

import time
from argparse import Namespace
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

import msgspec

from stream.console import Console, columns, visible
from stream.kafka.outbox import Outbox, create_producer
from stream.kafka.snapshot import records
from stream.messages import Expire, Order, encode
from stream.orders.erased import erased_conversations
from stream.records.headers import Delivery, RecordHeaders, foreign, format_origin
from stream.settings import KafkaSettings
from stream.topics import Topics
from stream.unfinished.audit import Unfinished, ends, expiries, orders, unfinished

OK: Final = 0
LEFT: Final = 1
HEADINGS: Final = ("EVENT ID", "CONVERSATION", "FILE", "POSITION")


class Sending(NamedTuple):
    """One record to be sent, partitioned by key."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: RecordHeaders


def run(settings: KafkaSettings, options: Namespace, console: Console) -> int:
    """Print what has no end, and send again what is asked for; 0 when nothing is left, else 1."""
    topics, read = Topics.of(settings), partial(records, settings)
    ended = ends(read(topics.results), read(topics.dead_letters))
    erased = erased_conversations(settings, console)
    without_end = unfinished(read(topics.attachments), ended.events, options.until)
    found = [item for item in without_end if item.attachment.conversation_id not in erased]
    expired = expiries(read(topics.previews), ended.previews, erased) if options.expiries else []
    given = orders(read(topics.results)) if options.orders else []
    _list(found, options, console)
    # Orders first: expiries that are sent after them find that their conversation is erased or held.
    commands: list[Order | Expire] = [*given, *expired]
    wanted = [Sending(topics.lifecycle, one.conversation_id.encode(), encode(one), []) for one in commands]
    wanted += [_again(topics, item) for item in found] if options.again else []
    sent = _send(settings, wanted, options, console)
    counts = {"unfinished": len(found), "erased": len(without_end) - len(found), "expiries": len(expired)}
    _sum(counts | {"orders": len(given), "sent": sent}, options, console)
    return OK if sent == len(wanted) and (options.again or not found) else LEFT


def _list(found: Sequence[Unfinished], options: Namespace, console: Console) -> None:
    for item in found if options.json else ():
        console.say(_line(item))
    if found and not options.json:
        console.say(f"{columns([HEADINGS, *map(_row, found)])}\n")


def _sum(counts: Mapping[str, int], options: Namespace, console: Console) -> None:
    told = f"{counts['unfinished']} events without an end; {counts['sent']} records sent"
    left_out = f"; {counts['erased']} events of erased conversations left out" if counts["erased"] else ""
    console.say(msgspec.json.encode(counts).decode() if options.json else f"{told}{left_out}")


def _send(settings: KafkaSettings, wanted: list[Sending], options: Namespace, console: Console) -> int:
    if not wanted or not (options.yes or console.confirm(f"Send {len(wanted)} records?")):
        return 0
    outbox = Outbox[int](create_producer(settings, "unfinished"))
    for number, one in enumerate(_paced(wanted, options.rate, outbox)):
        outbox.send(number, one.topic, value=one.value, key=one.key, headers=one.headers)
    outbox.settle()
    for problem in sorted(set(outbox.problems.values())):
        console.complain(f"Kafka did not take all: {problem}")
    return len(wanted) - len(outbox.problems)


def _paced(wanted: Iterable[Sending], per_second: float, outbox: Outbox[int]) -> Iterable[Sending]:
    begun_at = time.monotonic()
    for number, one in enumerate(wanted):
        while per_second and (left_seconds := begun_at + number / per_second - time.monotonic()) > 0:
            outbox.wait(left_seconds)
        yield one


def _again(topics: Topics, item: Unfinished) -> Sending:
    """Return the event's record as a replay: a replayed delivery looks into the conversation before it posts."""
    record = item.record
    headers = [*foreign(record.headers), *Delivery.from_headers(record.headers).replayed().to_headers()]
    return Sending(topics.attachments, record.key, record.value, headers)


def _row(item: Unfinished) -> tuple[str, ...]:
    about = item.attachment
    names = (about.event_id, about.conversation_id, about.file_name)
    return *map(visible, names), format_origin(item.record.position)


def _line(item: Unfinished) -> str:
    about = item.attachment
    line = {
        "eventId": about.event_id,
        "conversationId": about.conversation_id,
        "receivedAt": about.received_at,
        "position": format_origin(item.record.position),
    }
    return msgspec.json.encode(line).decode()
