"""Dead letters as they lie in their topic: which are meant, and how they go back to where they came from."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import msgspec
from confluent_kafka import KafkaError, Producer
from msgspec import Struct

from stream.headers import format_origin, replay_headers
from stream.kafka import checked, producer_config
from stream.messages import DeadLetter, Origin, decode_dead_letter
from stream.settings import KafkaSettings
from stream.snapshot import StoredRecord, records
from stream.topics import Topics

UNIT_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
REPLAY_SECONDS: Final = 30.0
POLL_SECONDS: Final = 0.1


class Filed(Struct, frozen=True):
    """A dead letter and where it lies; `letter` is None and `problem` says why where the record is none."""

    position: Origin
    letter: DeadLetter | None
    problem: str = ""
    value: bytes = b""


class Selection(Struct, frozen=True, kw_only=True):
    """Which dead letters are meant; what is None does not matter. `since` is Unix time in seconds.

    `which` is an event id, or topic:partition:offset of the dead letter or of the record it holds.
    """

    which: str | None = None
    reason: str | None = None
    stage: str | None = None
    since: float | None = None

    def includes(self, filed: Filed) -> bool:
        """Return whether the dead letter is meant."""
        letter = filed.letter
        if letter is None:
            return self.which == format_origin(filed.position) or self == Selection()
        names = {letter.event_id, format_origin(letter.origin), format_origin(filed.position)}
        return (
            (self.which is None or self.which in names)
            and self.reason in {None, letter.reason}
            and self.stage in {None, letter.stage}
            and (self.since is None or letter.last_at >= self.since)
        )


class RecordProducer(Protocol):
    """The part of confluent_kafka.Producer that is used."""

    def produce(
        self,
        topic: str,
        value: bytes,
        key: bytes | None,
        *,
        headers: Any,
        on_delivery: Callable[[KafkaError | None, object], None],
    ) -> None:
        """Queue a record; raises BufferError when the queue is full."""

    def poll(self, timeout: float) -> int:
        """Report deliveries, waiting for the first."""

    def flush(self, timeout: float) -> int:
        """Wait until the queue is empty; return what is left."""


class ReplayFailure(Struct, frozen=True):
    """A dead letter that Kafka did not take back."""

    filed: Filed
    problem: str


def read(settings: KafkaSettings, selection: Selection) -> list[Filed]:
    """Return the dead letters that are meant, oldest first; blocks while the whole topic is read."""
    topic = Topics.of(settings).dead_letters
    found = [filed for filed in map(file, records(settings, topic)) if selection.includes(filed)]
    return sorted(found, key=lambda filed: filed.letter.last_at if filed.letter else 0.0)


def file(record: StoredRecord) -> Filed:
    """Decode a record of [dead-letters]; one that does not decode is kept as it is."""
    value = record.value or b""
    try:
        return Filed(record.position, decode_dead_letter(value), value=value)
    except msgspec.DecodeError as error:
        return Filed(record.position, None, f"not a dead letter: {error}", value)


def replayable(filed: Iterable[Filed], topics: Topics) -> tuple[list[Filed], list[ReplayFailure]]:
    """Part the dead letters that can go back from those that cannot.

    Of several dead letters of one event from one topic only the latest goes back: the others are its earlier lives.
    A dead letter names its origin itself, and anyone may write one, so only topics that agents read are origins.
    """
    latest: dict[tuple[str, str], Filed] = {}
    refused = []
    origins = {topics.attachments, topics.previews, topics.lifecycle}
    for item in filed:
        letter = item.letter
        if letter is None:
            refused.append(ReplayFailure(item, item.problem))
        elif letter.origin.topic not in origins:
            refused.append(ReplayFailure(item, f"its origin {letter.origin.topic} is no topic that agents read"))
        else:
            latest[letter.event_id or format_origin(letter.origin), letter.origin.topic] = item
    return list(latest.values()), refused


class Replay:
    """Sends dead letters back to their origin topic, partitioned by key, and waits for Kafka's acknowledgement."""

    def __init__(self, producer: RecordProducer) -> None:
        self._producer = producer
        self._problems: dict[Origin, str] = {}

    def send(self, filed: Sequence[Filed]) -> list[ReplayFailure]:
        """Send them and return those that Kafka did not acknowledge; blocks until each is settled."""
        self._problems = {item.position: "no answer from Kafka" for item in filed}
        for item in filed:
            if item.letter is not None:
                self._produce(item.position, item.letter)
        self._producer.flush(REPLAY_SECONDS * 2)
        problems = dict(self._problems)
        return [ReplayFailure(item, problems[item.position]) for item in filed if item.position in problems]

    def _produce(self, position: Origin, letter: DeadLetter) -> None:
        def settle(error: KafkaError | None, _message: object) -> None:
            if error is None:
                del self._problems[position]
            else:
                self._problems[position] = error.str()

        while True:
            try:
                self._producer.produce(
                    letter.origin.topic,
                    value=letter.payload,
                    key=letter.key,
                    headers=replay_headers(letter),
                    on_delivery=settle,
                )
            except BufferError:
                self._producer.poll(POLL_SECONDS)
            else:
                return


def replay(settings: KafkaSettings, filed: Sequence[Filed]) -> list[ReplayFailure]:
    """Send dead letters back, at least once each; returns those that Kafka did not take."""
    config: dict[str, Any] = {
        **producer_config(settings, client_id="dead-letters"),
        "message.timeout.ms": int(REPLAY_SECONDS * 1000),
        "log_level": 0,  # what fails is reported by record
    }
    return Replay(checked(lambda: Producer(config))).send(filed)


def parse_since(text: str, now: float) -> float:
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
