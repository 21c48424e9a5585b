"""The due table: records that are to be sent to a topic and partition at a time.

One table, one index and one timer serve delayed retries, expiry of previews and the forgetting of `links` rows. A
sweep costs what is due, not what is stored: rows lie in buckets by due time.
"""

import asyncio
import heapq
import logging
from collections.abc import Callable, Collection, Container
from typing import Annotated, Final

from aiokafka.errors import KafkaError
from msgspec import Meta, Struct
from msgspec.structs import replace

from agents.kafka.sender import Send
from agents.tables.rows import Rows
from stream.failures import Held, Refused
from stream.records.headers import RecordHeaders

logger = logging.getLogger(__name__)

BUCKET_SECONDS: Final = 1.0
SWEEP_ROWS: Final = 256
"""Rows sent side by side in one sweep, so that a backlog neither floods the producer nor trickles."""
IN_FLIGHT_ROWS: Final = 16 * SWEEP_ROWS
"""Most sends that may hang at a time."""
SWEEP_SECONDS: Final = 10.0
REFUSED_SECONDS: Final = 60.0
"""How long a row that Kafka refuses makes room for others, before it is sent again."""


class DueRow(Struct, frozen=True, kw_only=True, rename="camel"):
    """A record that is sent to `topic`, same partition as its row, at `dueAt` (Unix seconds)."""

    version: int = 1
    due_at: Annotated[float, Meta(description="Unix time in seconds")]
    topic: str
    key: bytes | None = None
    value: bytes | None = None
    headers: RecordHeaders = []


class DueIndex:
    """Which rows are due: buckets by due time, so that looking costs what is found."""

    def __init__(self) -> None:
        self._buckets: dict[int, set[tuple[int, str]]] = {}
        self._order: list[int] = []  # a heap of bucket numbers
        self._bucket_of: dict[int, dict[str, int]] = {}  # partition → key → bucket

    def __len__(self) -> int:
        return sum(map(len, self._bucket_of.values()))

    def put(self, partition: int, key: str, row: DueRow) -> None:
        """Note a row, or its new time."""
        self.remove(partition, key)
        number = int(row.due_at // BUCKET_SECONDS)
        if number not in self._buckets:
            self._buckets[number] = set()
            heapq.heappush(self._order, number)
        self._buckets[number].add((partition, key))
        self._bucket_of.setdefault(partition, {})[key] = number

    def remove(self, partition: int, key: str) -> None:
        """Drop a row, if it is there."""
        number = self._bucket_of.get(partition, {}).pop(key, None)
        if number is not None:
            self._buckets[number].discard((partition, key))

    def drop(self, partition: int) -> None:
        """Drop every row of a partition that has moved away."""
        for key, number in self._bucket_of.pop(partition, {}).items():
            self._buckets[number].discard((partition, key))

    def due(self, now: float, most: int = SWEEP_ROWS, but: Container[tuple[int, str]] = ()) -> list[tuple[int, str]]:
        """Return the partition and key of at most `most` rows whose bucket has begun, the oldest buckets first.

        A row can be named up to one bucket's length early; the caller compares its own time. Those in `but` are not
        named, nor counted: rows that hang would else stand before all others.
        """
        reached = now // BUCKET_SECONDS
        found: list[tuple[int, str]] = []
        looked_at: list[int] = []
        while self._order and self._order[0] <= reached and len(found) < most:
            number = heapq.heappop(self._order)
            if rows := self._buckets[number]:
                found.extend(place for place in rows if place not in but)
                looked_at.append(number)  # its rows stay until they are removed
            else:
                del self._buckets[number]
        for number in looked_at:
            heapq.heappush(self._order, number)
        return found[:most]


class Due:
    """Writes due rows, and sends those whose time has come."""

    def __init__(
        self,
        rows: Rows[DueRow],
        index: DueIndex,
        send: Send,
        clock: Callable[[], float],
        destinations: Collection[str],
        *,
        sweep_seconds: float = SWEEP_SECONDS,
    ) -> None:
        self._rows = rows
        self._index = index
        self._send = send
        self._clock = clock
        self._destinations = destinations
        self._sweep_seconds = sweep_seconds
        self._in_flight: dict[tuple[int, str], asyncio.Task[None]] = {}
        self._draining = False

    async def put(self, partition: int, key: str, row: DueRow) -> None:
        """Write a row, replacing the one of the same key; returns once Kafka holds it."""
        await self._rows.put(partition, key, row)

    def get(self, partition: int, key: str) -> DueRow | None:
        """Return the row that waits under a key, if any."""
        return self._rows.get(partition, key)

    async def sweep(self) -> int:
        """Send what is due and delete its rows; return how many rows were begun with.

        Waits for the sends, but not for ever: one that hangs, as for a topic that is gone, goes on alone and holds up
        no later sweep. A crash between send and delete sends a record again, which every consumer of ours bears.
        """
        now = self._clock()
        begun = []
        full = len(self._in_flight) >= IN_FLIGHT_ROWS
        for partition, key in () if self._draining or full else self._index.due(now, but=self._in_flight):
            row = self._rows.get(partition, key)
            if row is not None and row.due_at <= now:
                begun.append(self._begin(partition, key, row))
        if begun:
            await asyncio.wait(begun, timeout=self._sweep_seconds)
        return len(begun)

    async def drain(self, deadline_seconds: float) -> None:
        """Begin with no row until `resume`, wait for the sends under way, and give up those that hang.

        A tombstone that arrived after another worker has taken the partition over would delete the row that the
        worker may have written under the same key.
        """
        self._draining = True
        if self._in_flight:
            await asyncio.wait(self._in_flight.values(), timeout=min(deadline_seconds, self._sweep_seconds))
        await self.close()

    def resume(self) -> None:
        """Sweep again, after a drain."""
        self._draining = False

    async def close(self) -> None:
        """Give up the sends that hang; their rows stay."""
        for task in self._in_flight.values():
            task.cancel()
        await asyncio.gather(*self._in_flight.values(), return_exceptions=True)

    def _begin(self, partition: int, key: str, row: DueRow) -> asyncio.Task[None]:
        task = asyncio.create_task(self._fire(partition, key, row))
        self._in_flight[partition, key] = task
        task.add_done_callback(lambda _: self._in_flight.pop((partition, key)))
        return task

    async def _fire(self, partition: int, key: str, row: DueRow) -> None:
        if row.topic not in self._destinations or row.key is row.value is None:
            logger.error("due.foreign", extra={"topic": row.topic, "row": key})  # somebody else's row in our changelog
            await self._rows.delete(partition, key, only=row)
            return
        try:
            await self._send(row.topic, key=row.key, value=row.value, partition=partition, headers=row.headers)
            await self._rows.delete(partition, key, only=row)
        except Held as held:  # the row may be another worker's by now, who then sends it again
            logger.info("due.not_ours", extra={"row": key, "reason": held.reason})
        except (KafkaError, Refused) as error:  # for good, not away: the row stays, for whoever mends the cause
            logger.error("due.refused", extra={"topic": row.topic, "row": key, "error": repr(error)})  # noqa: TRY400
            self._make_room(partition, key, row)

    def _make_room(self, partition: int, key: str, row: DueRow) -> None:
        """Let others go before a row that is refused, or as many as a sweep takes would keep all others from going."""
        if self._rows.get(partition, key) == row:
            self._index.put(partition, key, replace(row, due_at=self._clock() + REFUSED_SECONDS))
