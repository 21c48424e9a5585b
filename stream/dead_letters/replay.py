"""Dead letters go back to where they came from: which can, and how fast."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Final

from msgspec import Struct

from stream.dead_letters.letters import Filed, conversations
from stream.kafka.outbox import ANY_PARTITION, Outbox, RecordProducer, create_producer
from stream.messages import DeadLetter, Origin
from stream.records.headers import format_origin, replay_headers
from stream.settings import KafkaSettings
from stream.topics import Topics

CLIENT_ID: Final = "dead-letters"
MAX_REPLAYS: Final = 3
"""A record that failed this often after a replay will fail again, unless something has really been mended."""


class Problem(Struct, frozen=True):
    """A dead letter with which nothing was done, and why."""

    filed: Filed
    text: str


def replayable(
    filed: Iterable[Filed],
    topics: Topics,
    most_replays: int | None = MAX_REPLAYS,
    erased: Collection[str] = (),
) -> tuple[list[Filed], list[Problem]]:
    """Part the dead letters that can go back from those that cannot.

    Of several dead letters of one event from one topic only the latest goes back: the others are its earlier lives.
    A dead letter names its origin itself, and anyone may write one, so only topics that agents read are origins.
    Nothing of the `erased` conversations goes back but commands about their previews: those only delete.
    """
    latest: dict[tuple[str, str, bytes | None, bytes], Filed] = {}
    refused = []
    for item in filed:
        letter = item.letter
        if letter is None:
            refused.append(Problem(item, item.problem))
        elif letter.origin.topic not in topics.read:
            refused.append(Problem(item, f"its origin {letter.origin.topic} is no topic that agents read"))
        elif letter.origin.topic != topics.lifecycle and not conversations(letter).isdisjoint(erased):
            refused.append(Problem(item, "its conversation was erased"))
        else:
            latest[_identity(letter, topics)] = item
    worn = [item for item in latest.values() if _is_worn(item, most_replays)]
    ready = [item for item in latest.values() if item not in worn]
    return ready, [*refused, *(Problem(item, f"replayed {_replays(item)} times already; see --force") for item in worn)]


def _identity(letter: DeadLetter, topics: Topics) -> tuple[str, str, bytes | None, bytes]:
    """Return what all lives of a record have in common.

    A producer may use an id in two conversations, and several commands of one event are no lives of each other: each
    picture has an order of its own to be deleted.
    """
    command = letter.payload if letter.origin.topic == topics.lifecycle else b""
    return letter.event_id or format_origin(letter.origin), letter.origin.topic, letter.key, command


def _is_worn(item: Filed, most_replays: int | None) -> bool:
    return most_replays is not None and _replays(item) >= most_replays


def _replays(item: Filed) -> int:
    return item.letter.replays if item.letter else 0


class Replay:
    """Sends dead letters back to their origin topic, partitioned by key, and waits for Kafka's acknowledgement.

    One without a key goes back to the partition that it came from.

    `rate` is in records a second, None for as fast as Kafka takes them. `progress` is told how many were sent.
    """

    def __init__(
        self,
        producer: RecordProducer,
        *,
        rate: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._rate = rate
        self._clock = clock
        self._progress = progress
        self._outbox = Outbox[Origin](producer)

    def send(self, filed: Sequence[Filed]) -> list[Problem]:
        """Send them and return those that Kafka did not acknowledge; blocks until each is settled.

        Interrupted by the keyboard, it sends no more and returns the rest as problems.
        """
        unsent = dict.fromkeys((item.position for item in filed), "not sent: interrupted")
        with suppress(KeyboardInterrupt):
            for item in self._paced(filed):
                self._send(item)
                del unsent[item.position]
        self._outbox.settle()
        problems = unsent | self._outbox.problems
        return [Problem(item, problems[item.position]) for item in filed if item.position in problems]

    def _paced(self, filed: Sequence[Filed]) -> Iterator[Filed]:
        begun_at = self._clock()
        for number, item in enumerate(filed):
            if self._rate is not None:
                self._wait_until(begun_at + number / self._rate)
            yield item
            self._progress(number + 1)

    def _wait_until(self, moment: float) -> None:
        while (left_seconds := moment - self._clock()) > 0:
            self._outbox.wait(left_seconds)

    def _send(self, item: Filed) -> None:
        letter = item.letter
        if letter is not None:
            headers = replay_headers(letter)
            # Without a key nothing else tells where the rows lie that it is about, as of commands due at once.
            partition = letter.origin.partition if letter.key is None else ANY_PARTITION
            self._outbox.send(
                item.position,
                letter.origin.topic,
                value=letter.payload,
                key=letter.key,
                partition=partition,
                headers=headers,
            )


def replay(
    settings: KafkaSettings, filed: Sequence[Filed], *, rate: float | None, progress: Callable[[int], None]
) -> list[Problem]:
    """Send dead letters back, at least once each; returns those that Kafka did not take."""
    return Replay(create_producer(settings, CLIENT_ID), rate=rate, progress=progress).send(filed)
