"""The due table: records that are to be sent to a topic and partition at a time.

One table, one index and one timer serve delayed retries, expiry of previews and the forgetting of `links` rows. A
sweep costs what is due, not what is stored: rows lie in buckets by due time.
"""

import asyncio
import heapq
from collections.abc import Callable
from typing import Annotated, Final

from msgspec import Meta, Struct

from agents.rows import Rows
from agents.sender import Send
from stream.headers import RecordHeaders

BUCKET_SECONDS: Final = 1.0
SWEEP_ROWS: Final = 256
"""Rows sent side by side in one sweep, so that a backlog neither floods the producer nor trickles."""


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

    def due(self, now: float, most: int = SWEEP_ROWS) -> list[tuple[int, str]]:
        """Return the partition and key of at most `most` rows whose bucket has begun, the oldest buckets first.

        A row can be named up to one bucket's length early; the caller compares its own time.
        """
        reached = now // BUCKET_SECONDS
        found: list[tuple[int, str]] = []
        looked_at: list[int] = []
        while self._order and self._order[0] <= reached and len(found) < most:
            number = heapq.heappop(self._order)
            if rows := self._buckets[number]:
                found.extend(rows)
                looked_at.append(number)  # its rows stay until they are removed
            else:
                del self._buckets[number]
        for number in looked_at:
            heapq.heappush(self._order, number)
        return found[:most]


class Due:
    """Writes due rows, and sends those whose time has come."""

    def __init__(self, rows: Rows[DueRow], index: DueIndex, send: Send, clock: Callable[[], float]) -> None:
        self._rows = rows
        self._index = index
        self._send = send
        self._clock = clock

    async def put(self, partition: int, key: str, row: DueRow) -> None:
        """Write a row, replacing the one of the same key; returns once Kafka holds it."""
        await self._rows.put(partition, key, row)

    def get(self, partition: int, key: str) -> DueRow | None:
        """Return the row that waits under a key, if any."""
        return self._rows.get(partition, key)

    async def sweep(self) -> int:
        """Send what is due and delete its rows; return how many.

        A crash between the two sends a record again, which every consumer of ours bears.
        """
        now = self._clock()
        named = ((partition, key, self._rows.get(partition, key)) for partition, key in self._index.due(now))
        due = [(partition, key, row) for partition, key, row in named if row is not None and row.due_at <= now]
        await asyncio.gather(*(self._fire(partition, key, row) for partition, key, row in due))
        return len(due)

    async def _fire(self, partition: int, key: str, row: DueRow) -> None:
        await self._send(row.topic, key=row.key, value=row.value, partition=partition, headers=row.headers)
        await self._rows.delete(partition, key, only=row)
