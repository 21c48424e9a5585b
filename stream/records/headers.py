"""Headers of Kafka records: how often one was tried, and where a dead letter came from.

Anyone may write to the topics, so reading never raises: what is missing or junk counts as a first delivery.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Self

from stream.failures import Failure, Stage
from stream.messages import DeadLetter, Origin
from stream.records.cloud_events import without_event

ATTEMPT: Final = "attempt"
FIRST_AT: Final = "first-at"
TRIED_SINCE: Final = "tried-since"
REPLAYS: Final = "replays"
RENDERS: Final = "renders"
EVENT_ID: Final = "event-id"
REASON: Final = "reason"
STAGE: Final = "stage"
ORIGIN: Final = "origin"
OURS: Final = frozenset({ATTEMPT, FIRST_AT, TRIED_SINCE, REPLAYS, RENDERS, EVENT_ID, REASON, STAGE, ORIGIN})

MAX_COUNT: Final = 1_000_000  # no honest count comes near it; junk beyond it is not ours
MAX_MESSAGE_CHARACTERS: Final = 2_000  # decoders repeat a foreign value in what they say, however long it is
MAX_DIGITS: Final = 19  # of an int64, as partitions and offsets are at most

RawHeaders = Mapping[str, bytes | None] | Iterable[tuple[str, bytes | None]] | None
RecordHeaders = list[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Delivery:
    """Which delivery of a record this is; times are Unix seconds, None until a first failure."""

    attempt: int = 1
    replays: int = 0
    first_at: float | None = None
    tried_since: float | None = None
    """The first failure since the last replay: the age of retries counts from it."""
    renders: int = 0
    """How often the file was rendered again since the last replay, because the stored preview was gone."""

    @classmethod
    def from_headers(cls, headers: RawHeaders) -> Self:
        """Read the delivery, a first one where headers are missing or junk."""
        found = as_dict(headers)
        return cls(
            attempt=_count(found.get(ATTEMPT), least=1),
            replays=_count(found.get(REPLAYS), least=0),
            first_at=_seconds(found.get(FIRST_AT)),
            tried_since=_seconds(found.get(TRIED_SINCE)),
            renders=_count(found.get(RENDERS), least=0),
        )

    def to_headers(self) -> RecordHeaders:
        """Write the delivery as header pairs."""
        times = [
            (name, at) for name, at in ((FIRST_AT, self.first_at), (TRIED_SINCE, self.tried_since)) if at is not None
        ]
        counts = [(ATTEMPT, str(self.attempt).encode()), (REPLAYS, str(self.replays).encode())]
        return [*counts, *self.renders_header(), *((name, repr(at).encode()) for name, at in times)]

    def renders_header(self) -> RecordHeaders:
        """Write how often the file was rendered again, nothing where it was not."""
        return [(RENDERS, str(self.renders).encode())] if self.renders else []

    def age_seconds(self, now: float) -> float:
        """Return how long the record has been tried again, 0 at the first failure; clocks of two workers may differ."""
        return 0.0 if self.tried_since is None else max(0.0, now - self.tried_since)

    def put_off(self, now: float) -> Self:
        """Return the delivery that follows a failure which was no attempt: the other side asked to come later."""
        first_at = now if self.first_at is None else self.first_at
        # Of a clock that was ahead, or junk: a time that has not come would let a record never grow old.
        tried_since = now if self.tried_since is None else min(self.tried_since, now)
        return replace(self, first_at=first_at, tried_since=tried_since)

    def retried(self, now: float) -> Self:
        """Return the delivery that follows a failed attempt."""
        return replace(self.put_off(now), attempt=self.attempt + 1)

    def rendered_again(self, now: float) -> Self:
        """Return the delivery that goes back to be rendered, because the stored preview is gone."""
        return replace(self.retried(now), renders=self.renders + 1)

    def replayed(self) -> Self:
        """Return the delivery that a replay starts: attempts and their age begin again, the first time stays."""
        return replace(self, attempt=1, replays=self.replays + 1, tried_since=None, renders=0)


def as_dict(headers: RawHeaders) -> dict[str, bytes]:
    """Return headers by name, the last of a repeated name; null values are empty."""
    if headers is None:
        return {}
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return {name: value or b"" for name, value in pairs}


def foreign(headers: RawHeaders) -> RecordHeaders:
    """Return the headers that are not ours, to carry a producer's own (such as traceparent) through retries."""
    return [(name, value) for name, value in as_dict(headers).items() if name not in OURS]


def handed_on(headers: RawHeaders) -> RecordHeaders:
    """Return the headers for another record made from this one: the trace goes along, the attributes of the event not.

    Another value is another event, so `ce_*` and `content-type` stay behind.
    """
    return without_event(foreign(headers))


def dead_letter(
    failure: Failure,
    *,
    stage: Stage,
    origin: Origin,
    key: bytes | None,
    payload: bytes | None,
    headers: RawHeaders,
    now: float,
    event_id: str = "",
) -> DeadLetter:
    """Build the dead letter of a record that `failure` ended, its bytes and headers as they were read."""
    delivery = Delivery.from_headers(headers)
    return DeadLetter(
        reason=failure.reason,
        stage=stage,
        message=failure.message[:MAX_MESSAGE_CHARACTERS],
        origin=origin,
        attempt=delivery.attempt,
        replays=delivery.replays,
        first_at=now if delivery.first_at is None else delivery.first_at,
        last_at=now,
        event_id=event_id,
        key=key,
        payload=payload or b"",
        headers=as_dict(headers),
    )


def dead_letter_headers(letter: DeadLetter) -> RecordHeaders:
    """Return the headers of a dead letter's own record, for tools that do not decode its body."""
    return [
        *Delivery(letter.attempt, letter.replays, letter.first_at).to_headers(),
        (EVENT_ID, letter.event_id.encode()),
        (REASON, letter.reason.encode()),
        (STAGE, letter.stage.encode()),
        (ORIGIN, format_origin(letter.origin).encode()),
        *handed_on(letter.headers),
    ]


def replay_headers(letter: DeadLetter) -> RecordHeaders:
    """Return the headers of a replayed record: the producer's own, and a delivery whose attempts begin again."""
    delivery = Delivery(letter.attempt, letter.replays, letter.first_at).replayed()
    return [*foreign(letter.headers), *delivery.to_headers()]


def format_origin(origin: Origin) -> str:
    """Write an origin as topic:partition:offset."""
    return f"{origin.topic}:{origin.partition}:{origin.offset}"


def parse_origin(text: str) -> Origin | None:
    """Read topic:partition:offset, None where the text is not one."""
    topic, _, rest = text.partition(":")  # a topic's name holds no colon
    partition, _, offset = rest.partition(":")
    if not topic or not all(
        part.isascii() and part.isdigit() and len(part) <= MAX_DIGITS for part in (partition, offset)
    ):
        return None
    return Origin(topic=topic, partition=int(partition), offset=int(offset))


def _count(value: bytes | None, *, least: int) -> int:
    if value is None or not value.isdigit() or len(value) > len(str(MAX_COUNT)):
        return least
    return min(max(int(value), least), MAX_COUNT)


def _seconds(value: bytes | None) -> float | None:
    try:
        seconds = float(value or b"")
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
