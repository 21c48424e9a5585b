"""The guests: they drop small files into conversations, and their webhooks are sent until a bridge takes them."""

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import urllib3
from PIL import Image

from tests.system.chaos.plan import Plan

SENDERS: Final = 24
ANSWER_SECONDS: Final = 4.0
"""Genesys waits for 10 s; a sender that gives up sooner brings more copies of what a frozen bridge took after all."""
TRIES: Final = 30
AGAIN_SECONDS: Final = 0.5
LOOK_SECONDS: Final = 0.02
ACCEPTED: Final = 202
TOO_MANY: Final = 429
PICTURES: Final = tuple(f"picture-{number}.{kind}" for number in range(4) for kind in ("png", "jpg", "webp"))
BROKEN: Final = "broken.png"
GONE: Final = "/status/404"
CLOSED_CONVERSATIONS: Final = tuple(f"closed-{number}" for number in range(4))
# A group of conversations is under way at a time, each with eight files on average.
EVENTS_A_GROUP: Final = 400
CONVERSATIONS_A_GROUP: Final = 50
BROKEN_SHARE, GONE_SHARE, CLOSED_SHARE = 0.03, 0.02, 0.01


def write_files(folder: Path, seed: int) -> None:
    """Make what guests drop: a broken file, and pictures of a few hundred bytes, as rendering is not on trial here."""
    rng = random.Random(f"files of {seed}")
    for name in PICTURES:
        size = rng.randint(16, 64), rng.randint(16, 64)
        Image.new("RGB", size, tuple(rng.randbytes(3))).save(folder / name)
    (folder / BROKEN).write_bytes((folder / PICTURES[0]).read_bytes()[:45])


@dataclass(frozen=True)
class File:
    """What a guest drops; the same seed and number give the same one."""

    event_id: str
    conversation_id: str
    name: str

    @classmethod
    def of(cls, seed: int, number: int) -> Self:
        """Choose a file and its conversation."""
        rng = random.Random(f"{seed} {number}")
        conversation = f"conversation-{number // EVENTS_A_GROUP}-{rng.randrange(CONVERSATIONS_A_GROUP)}"
        name, share = rng.choice(PICTURES), rng.random()
        if share < BROKEN_SHARE:
            name = BROKEN
        elif share < BROKEN_SHARE + GONE_SHARE:
            name = GONE
        elif share < BROKEN_SHARE + GONE_SHARE + CLOSED_SHARE:
            conversation = rng.choice(CLOSED_CONVERSATIONS)
        return cls(f"event-{number}", conversation, name)


class Guests:
    """Senders in threads; no more is sent while `most_open` accepted events have not ended."""

    def __init__(self, plan: Plan, *, bridges: list[str], url: Callable[[str], str], ended: Callable[[], int]) -> None:
        self._plan = plan
        self._bridges = bridges
        self._url = url
        self._ended = ended
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._sent = 0
        self._given_up = 0
        self._accepted: set[str] = set()
        self.tries_again = 0
        self._client = urllib3.PoolManager(maxsize=SENDERS, retries=False, timeout=ANSWER_SECONDS)
        self._threads = ThreadPoolExecutor(SENDERS, thread_name_prefix="guest")

    @property
    def accepted(self) -> set[str]:
        """The ids of all events that a bridge answered with 202."""
        with self._lock:
            return set(self._accepted)

    def accepted_count(self) -> int:
        """Return how many these are; cheap, however many there are."""
        with self._lock:
            return len(self._accepted)

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        self._senders = [self._threads.submit(self._send, number) for number in range(SENDERS)]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Let every sender bring its last webhook to its end."""
        self._stopped.set()
        self._threads.shutdown()
        self._client.clear()
        for sender in self._senders:
            sender.result()

    def _send(self, sender: int) -> None:
        while not self._stopped.is_set():
            number = self._next()
            if number is None:
                time.sleep(LOOK_SECONDS)
                continue
            self._deliver(File.of(self._plan.seed, number), bridge=sender + number)

    def _next(self) -> int | None:
        """Return the number of the next file if it may be dropped now."""
        with self._lock:
            is_open = self._sent - self._given_up - self._ended()
            early = self._plan.rate and self._sent >= self._plan.rate * (time.monotonic() - self._began)
            if is_open >= self._plan.most_open or early:
                return None
            self._sent += 1
            return self._sent - 1

    def _deliver(self, file: File, *, bridge: int) -> None:
        for attempt in range(TRIES):
            if self._post(file, self._bridges[(bridge + attempt) % len(self._bridges)]):
                with self._lock:
                    self._accepted.add(file.event_id)
                return
            with self._lock:
                self.tries_again += 1
            time.sleep(AGAIN_SECONDS)
        with self._lock:
            self._given_up += 1

    def _post(self, file: File, bridge: str) -> bool:
        """Tell whether the bridge took it; False without an answer, when nobody knows."""
        data = {
            "eventId": file.event_id,
            "conversationId": file.conversation_id,
            "attachmentUrl": self._url(file.name),
            "fileName": file.name.rpartition("/")[2],
        }
        try:
            answer = self._client.request("POST", bridge, json={"event": "webchat:attachment", "data": data})
        except urllib3.exceptions.HTTPError:
            return False
        if answer.status == ACCEPTED:
            return True
        if answer.status != TOO_MANY and answer.status < 500:
            raise AssertionError(f"a bridge answered {answer.status} to {data}: {answer.data[:500]!r}")
        return False
