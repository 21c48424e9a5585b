"""What was delivered already, so that only what is missing is published."""

import hashlib
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final

import msgspec
from msgspec import Struct

from stream.backfill.reading import GuestFile
from stream.backfill.window import Window
from stream.kafka.snapshot import StoredRecord, records
from stream.messages import (
    Attachment,
    DeadLetter,
    Outcome,
    decode_attachment,
    decode_dead_letter,
    decode_preview,
    decode_result,
)
from stream.settings import KafkaSettings
from stream.topics import Topics

# A webhook comes after its message, at most as late as its sender tries and a flow takes; clocks differ.
EARLIEST_SECONDS: Final = -60.0
LATEST_SECONDS: Final = 600.0


class Mark(StrEnum):
    """By what a file is known to have been delivered."""

    EVENT_ID = "event id"
    MESSAGE = "message"
    ADDRESS = "address"
    FILE_NAME = "file name"


class Delivered(Struct, frozen=True, kw_only=True, gc=False):
    """What is remembered of one event; `at` is when it came, in Unix seconds."""

    event_id: str
    message_id: str = ""
    attachment_id: str = ""
    address: bytes = b""
    file_name: str = ""
    at: float | None = None

    def is_for(self, file: Attachment, mark: Mark) -> bool:
        """Return whether the event is known by that mark to be of a file of the same conversation."""
        match mark:
            case Mark.EVENT_ID:
                return self.event_id == file.event_id
            case Mark.MESSAGE:
                return self.message_id != "" and self.message_id == file.message_id and self._names(file)
            case Mark.ADDRESS:
                return self.address != b"" and self.address == _digest(file.attachment_url)
            case Mark.FILE_NAME:
                return self.file_name != "" and self.file_name == file.file_name

    def _names(self, file: Attachment) -> bool:
        """Return whether an event of the file's message is of the file; ids alone stand for all files of a message."""
        if self.attachment_id:
            return self.attachment_id == file.attachment_id
        return self.file_name == file.file_name if self.file_name else self.address == b""


class Known:
    """The events of a window, by conversation."""

    def __init__(self) -> None:
        self._delivered: defaultdict[str, dict[str, Delivered]] = defaultdict(dict)

    def add(self, conversation_id: str, delivered: Delivered) -> None:
        """Remember an event, unless it is known."""
        self._delivered[conversation_id].setdefault(delivered.event_id, delivered)

    def marks(
        self, conversation_id: str, files: Sequence[GuestFile], *, by_name: bool = True
    ) -> Mapping[GuestFile, Mark]:
        """Return by what the files of one conversation are known; those that are missing are missing here, too.

        A name counts once for each event that nothing else tells the file of, the nearest in time first, and only
        where the event came within minutes of the message: guests send many files named image.jpg.
        """
        open_events = list(self._delivered.get(conversation_id, {}).values())
        found: dict[GuestFile, Mark] = {}
        for mark in (Mark.EVENT_ID, Mark.MESSAGE, Mark.ADDRESS):
            for file in (one for one in files if one not in found):
                if any(event.is_for(file.attachment, mark) for event in open_events):
                    found[file] = mark
        if by_name:
            spent = [event for event in open_events if _is_spent(event, found)]
            unspent = [event for event in open_events if event not in spent]
            found |= dict.fromkeys(_by_name([one for one in files if one not in found], unspent), Mark.FILE_NAME)
        return found


def _is_spent(event: Delivered, known: Iterable[GuestFile]) -> bool:
    marks = (Mark.EVENT_ID, Mark.MESSAGE, Mark.ADDRESS)
    return any(event.is_for(file.attachment, mark) for file in known for mark in marks)


def _by_name(files: Sequence[GuestFile], events: Sequence[Delivered]) -> set[GuestFile]:
    pairs = [
        (apart, number, file)
        for number, event in enumerate(events)
        for file in files
        if event.is_for(file.attachment, Mark.FILE_NAME) and (apart := _apart_seconds(event, file)) is not None
    ]
    spent: set[int] = set()
    known: set[GuestFile] = set()
    for _, number, file in sorted(pairs, key=lambda pair: pair[0]):
        if number not in spent and file not in known:
            spent.add(number)
            known.add(file)
    return known


def _apart_seconds(event: Delivered, file: GuestFile) -> float | None:
    """Return how long after its message an event came, None where that rules it out; unknown times come last."""
    if event.at is None or file.sent_at is None:
        return LATEST_SECONDS
    late_seconds = event.at - file.sent_at
    return abs(late_seconds) if EARLIEST_SECONDS <= late_seconds <= LATEST_SECONDS else None


def read_known(settings: KafkaSettings, window: Window) -> Known:
    """Read [attachments], [results] and [dead-letters] as they are now; blocks.

    Raises:
        KafkaUnreachableError: Kafka did not answer.
        UnknownTopicError: One of the topics does not exist.
    """
    topics = Topics.of(settings)
    of_interest = (topics.attachments, topics.results, topics.dead_letters)
    stored = itertools.chain.from_iterable(records(settings, topic) for topic in of_interest)
    return known_of(stored, topics, window)


def known_of(stored: Iterable[StoredRecord], topics: Topics, window: Window) -> Known:
    """Return what records tell was delivered; those that tell nothing are passed over."""
    known = Known()
    readers: dict[str, Callable[[bytes], tuple[str, Delivered] | None]] = {
        topics.attachments: _of_attachment,
        topics.results: _of_result,
        topics.dead_letters: lambda value: _of_dead_letter(value, topics),
    }
    for record in stored:
        about = _decoded(readers[record.position.topic], record.value or b"")
        if about is not None and _may_matter(about[1], window):
            known.add(*about)
    return known


def _may_matter(event: Delivered, window: Window) -> bool:
    """Return whether an event can be of a message of the window: it comes no earlier than its message."""
    return event.at is None or event.at >= window.since + EARLIEST_SECONDS


def _decoded(read: Callable[[bytes], tuple[str, Delivered] | None], value: bytes) -> tuple[str, Delivered] | None:
    try:
        return read(value)
    except msgspec.DecodeError:  # the workers have made a dead letter of it, which nothing can be known by
        return None


def _of_attachment(value: bytes) -> tuple[str, Delivered]:
    return _about(decode_attachment(value))


def _of_result(value: bytes) -> tuple[str, Delivered] | None:
    result = decode_result(value)
    if not isinstance(result, Outcome):
        return None
    return result.conversation_id, Delivered(event_id=result.event_id, at=result.finished_at)


def _of_dead_letter(value: bytes, topics: Topics) -> tuple[str, Delivered] | None:
    letter: DeadLetter = decode_dead_letter(value)
    if letter.origin.topic == topics.attachments:
        return _about(decode_attachment(letter.payload))
    if letter.origin.topic == topics.previews:
        return _about(decode_preview(letter.payload).attachment)
    return None


def _about(attachment: Attachment) -> tuple[str, Delivered]:
    return attachment.conversation_id, Delivered(
        event_id=attachment.event_id,
        message_id=attachment.message_id or "",
        attachment_id=attachment.attachment_id or "",
        address=_digest(attachment.attachment_url),
        file_name=attachment.file_name,
        at=attachment.received_at,
    )


def _digest(address: str) -> bytes:
    """Shorten an address, because there may be a million of them, each with a signature of its own."""
    return hashlib.blake2b(address.encode(errors="surrogatepass"), digest_size=16).digest() if address else b""
