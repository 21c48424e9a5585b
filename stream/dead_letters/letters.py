"""Dead letters as they lie in their topic, and which of them are meant."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final, Protocol

import msgspec
from msgspec import Struct

from stream.kafka.snapshot import StoredRecord, records
from stream.messages import DeadLetter, Origin, decode_dead_letter, decoder
from stream.records.headers import format_origin
from stream.settings import KafkaSettings
from stream.topics import Topics

UNIT_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class Filed(Struct, frozen=True):
    """A dead letter and where it lies; `letter` is None and `problem` says why where the record is none."""

    position: Origin
    letter: DeadLetter | None
    problem: str = ""
    value: bytes = b""
    key: bytes | None = None


class Selection(Struct, frozen=True, kw_only=True):
    """Which dead letters are meant; what is None does not matter. Times are Unix seconds.

    `which` is an event id, or topic:partition:offset of the dead letter or of the record it holds.
    """

    which: str | None = None
    reason: str | None = None
    stage: str | None = None
    conversation: str | None = None
    since: float | None = None
    until: float | None = None

    def includes(self, filed: Filed) -> bool:
        """Return whether the dead letter is meant."""
        letter = filed.letter
        if letter is None:
            return self == Selection() or self == Selection(which=format_origin(filed.position))
        names = {*events(letter), format_origin(letter.origin), format_origin(filed.position)}
        return (
            (self.which is None or self.which in names)
            and self.reason in {None, letter.reason}
            and self.stage in {None, letter.stage}
            and (self.since is None or letter.last_at >= self.since)
            and (self.until is None or letter.last_at < self.until)
            and (self.conversation is None or self.conversation in conversations(letter))
        )


class OfConversations(Struct, frozen=True):
    """The dead letters of some conversations, but for those that are of others too, as of commands due at once."""

    names: frozenset[str]

    def includes(self, filed: Filed) -> bool:
        """Return whether the dead letter is meant."""
        letter = filed.letter
        return letter is not None and bool(conversations(letter) & self.names) and _commanded(letter) <= self.names


class Meant(Protocol):
    """Says which dead letters are meant."""

    def includes(self, filed: Filed) -> bool:
        """Return whether one is."""


class _About(Struct, frozen=True, rename="camel"):
    conversation_id: str | None = None
    event_id: str | None = None
    attachment: "_About | None" = None
    commands: tuple["_About", ...] = ()
    """Of commands that were due at once."""


_decode_about = decoder(_About)


def conversations(letter: DeadLetter) -> set[str]:
    """Return the ids of the conversation that a dead letter is of: what its record's key and its payload say."""
    found: set[str | None] = set()
    with suppress(msgspec.DecodeError):  # then the key alone tells
        about = _decode_about(letter.payload)
        found |= {about.conversation_id, about.attachment.conversation_id if about.attachment else None}
        found |= {command.conversation_id for command in about.commands}
    with suppress(UnicodeDecodeError):
        found.add((letter.key or b"").decode())
    return {name for name in found if name}


def _commanded(letter: DeadLetter) -> set[str]:
    with suppress(msgspec.DecodeError):
        return {command.conversation_id or "" for command in _decode_about(letter.payload).commands}
    return set()


def events(letter: DeadLetter) -> set[str]:
    """Return the ids of the events that a dead letter is of: several where commands were due at once."""
    found = {letter.event_id}
    with suppress(msgspec.DecodeError):
        found |= {command.event_id or "" for command in _decode_about(letter.payload).commands}
    return found


class Contents(Struct, frozen=True):
    """What a reading of the whole topic found: the letters that are meant, and the places of all that lie there."""

    meant: list[Filed]
    keys: Mapping[int, Mapping[int, bytes | None]]
    """By partition and offset the key of each record that is not purged."""
    ends: Mapping[int, int]
    """By partition the offset behind the last record that was read."""


def read(settings: KafkaSettings, selection: Meant) -> list[Filed]:
    """Return the dead letters that are meant, oldest first; blocks while the whole topic is read."""
    return read_all(settings, selection).meant


def read_all(settings: KafkaSettings, selection: Meant) -> Contents:
    """Read the whole topic; blocks.

    Raises:
        KafkaUnreachableError: Kafka did not answer.
        UnknownTopicError: The topic does not exist.
    """
    return contents(records(settings, Topics.of(settings).dead_letters), selection)


def contents(found: Iterable[StoredRecord], selection: Meant) -> Contents:
    """Sort out what lies in the topic; what a tombstone has buried is gone, whether Kafka has compacted it or not."""
    meant: dict[Origin, Filed] = {}
    keys: dict[int, dict[int, bytes | None]] = defaultdict(dict)
    places: dict[tuple[int, bytes], list[Origin]] = defaultdict(list)
    ends: dict[int, int] = {}
    for record in found:
        position, key = record.position, record.key
        ends[position.partition] = position.offset + 1
        if record.value is None and key is not None:
            for buried in places.pop((position.partition, key), ()):
                del keys[buried.partition][buried.offset]
                meant.pop(buried, None)
            continue
        keys[position.partition][position.offset] = key
        if key is not None:
            places[position.partition, key].append(position)
        filed = file(record)
        if selection.includes(filed):
            meant[position] = filed
    return Contents(sorted(meant.values(), key=_last_at), keys, ends)


def _last_at(filed: Filed) -> float:
    return filed.letter.last_at if filed.letter else 0.0


def file(record: StoredRecord) -> Filed:
    """Decode a record of [dead-letters]; one that does not decode is kept as it is."""
    value = record.value or b""
    try:
        return Filed(record.position, decode_dead_letter(value), value=value, key=record.key)
    except msgspec.DecodeError as error:
        return Filed(record.position, None, f"not a dead letter: {error}", value, record.key)


def parse_time(text: str, now: float) -> float:
    """Read an age (90s, 15m, 2h, 7d) or an ISO 8601 time, UTC where it names no zone, as Unix time in seconds.

    Raises:
        ValueError: When the text is neither.
    """
    age = re.fullmatch(r"([0-9]{1,9})([smhd])", text)
    if age:
        return now - int(age[1]) * UNIT_SECONDS[age[2]]
    at = datetime.fromisoformat(text)
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def by_reason(filed: Iterable[Filed]) -> Iterator[tuple[str, int]]:
    """Yield how many there are of each reason, the most frequent first."""
    counts: dict[str, int] = {}
    for item in filed:
        reason = item.letter.reason if item.letter else "not a dead letter"
        counts[reason] = counts.get(reason, 0) + 1
    return iter(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
