"""Topics and changelogs in memory: what stands in for Kafka while the rest of the pipeline is measured."""

import asyncio
from collections import defaultdict, deque

from faust.types import TP

from agents.kafka.lane import Lane, Record
from stream.messages import Outcome, decode_result
from stream.records.headers import RecordHeaders, as_dict
from stream.records.homes import partition_of
from stream.topics import Topics


class LostError(Exception):
    """An event did not end as it should, so the pace means nothing."""


class MemoryTopics:
    """Hands records to the lanes of their topics, holds them back where a lane asks for it, and counts outcomes."""

    def __init__(self, topics: Topics, partitions: int) -> None:
        self.lanes: dict[str, Lane] = {}
        self.linked = 0
        self._topics = topics
        self._partitions = partitions
        self._offsets: defaultdict[TP, int] = defaultdict(int)
        self._held_back: defaultdict[TP, deque[Record]] = defaultdict(deque)
        self._changed = asyncio.Event()
        self._lost: LostError | None = None

    async def send(
        self,
        topic: str,
        *,
        key: bytes | None,
        value: bytes | None,
        partition: int | None = None,
        headers: RecordHeaders | None = None,
    ) -> None:
        """Append a record to a topic."""
        place = partition_of(key or b"", self._partitions) if partition is None else partition
        tp = TP(topic, place)
        record = Record(topic, place, self._next_offset(tp), key, value, as_dict(headers))
        if topic in self.lanes:
            self._held_back[tp].append(record)
            self._deliver(tp)
        elif topic == self._topics.results:
            self._note_result(value or b"")
        elif topic == self._topics.dead_letters:
            self.lose(f"a dead letter: {(value or b'')[:300]!r}")

    async def append(self, topic: str, *, key: bytes, value: bytes | None, partition: int) -> int:
        """Append to a changelog, which nobody reads here."""
        del key, value
        return self._next_offset(TP(topic, partition))

    def freed(self, tp: TP) -> None:
        """Deliver what was held back."""
        self._deliver(tp)

    async def until_linked(self, count: int) -> None:
        """Wait until so many events have ended well; raises LostError when one has not."""
        while self._lost is None and self.linked < count:
            self._changed.clear()
            await self._changed.wait()
        if self._lost is not None:
            raise self._lost

    async def crash(self, error: BaseException) -> None:
        """Note that a job raised what it must not."""
        self.lose(f"a crash: {error!r}")

    def lose(self, what: str) -> None:
        """Note that something was lost."""
        self._lost = LostError(what)
        self._changed.set()

    def _note_result(self, value: bytes) -> None:
        result = decode_result(value)
        if not isinstance(result, Outcome):
            return
        if result.outcome != "linked":
            self.lose(f"{result.file_name}: {result.verdict}, {result.reason}")
        self.linked += 1
        self._changed.set()

    def _deliver(self, tp: TP) -> None:
        lane, owned = self.lanes[tp.topic], [TP(tp.topic, number) for number in range(self._partitions)]
        while self._held_back[tp] and lane.room(owned).of(tp):
            record = self._held_back[tp].popleft()
            lane.take(tp, record.offset)
            lane.feed(record)

    def _next_offset(self, tp: TP) -> int:
        self._offsets[tp] += 1
        return self._offsets[tp] - 1
