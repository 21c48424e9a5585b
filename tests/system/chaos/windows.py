"""When workers were frozen, and what was said twice: inside those times, or outside."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.harness.genesys.conversations import OUTBOUND
from tests.harness.judge import object_key


@dataclass(frozen=True)
class Window:
    """From SIGSTOP to SIGCONT of one worker, in Unix seconds."""

    worker: str
    began: float
    ended: float


class Windows:
    """The windows of a run; the clock is that of the simulator, on the same machine."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._began: dict[str, float] = {}
        self.all: list[Window] = []

    def begin(self, worker: str) -> None:
        """Note that a worker is about to be frozen."""
        self._began[worker] = self._clock()

    def end(self, worker: str) -> None:
        """Note that a worker has just gone on."""
        self.all.append(Window(worker, self._began.pop(worker), self._clock()))


@dataclass(frozen=True)
class Copies:
    """Messages that were more than needed."""

    outside: int
    inside: int


def said_twice(conversations: Iterable[Mapping[str, Any]], windows: Sequence[Window], late_seconds: float) -> Copies:
    """Count copies of a preview in its conversation.

    A copy is inside when it arrived while a worker was frozen, or at most `late_seconds` after one went on.
    """
    times: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for conversation in conversations:
        for message in conversation["messages"]:
            if message["direction"] == OUTBOUND:
                times[conversation["id"], object_key(message["text"])].append(message["at"])
    copies = [at for said in times.values() for at in sorted(said)[1:]]
    inside = sum(any(one.began <= at <= one.ended + late_seconds for one in windows) for at in copies)
    return Copies(outside=len(copies) - inside, inside=inside)


def message_ids(conversations: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the ids of all messages that conversations hold."""
    return {message["id"] for conversation in conversations for message in conversation["messages"]}
