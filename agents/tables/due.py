"""The due table: records that are to be sent to a topic and partition at a time.

One table, one index and one timer serve delayed retries, expiry of previews and the forgetting of `links` rows.
"""

import asyncio
import logging
from collections.abc import Callable, Collection
from typing import Annotated, Final

from aiokafka.errors import KafkaError
from msgspec import Meta, Struct
from msgspec.structs import replace

from agents.kafka.sender import Send
from agents.tables.due_index import DueIndex, Place
from agents.tables.rows import Rows
from stream.failures import Held, Refused
from stream.records.headers import RecordHeaders

logger = logging.getLogger(__name__)

BATCH_ROWS: Final = 256
"""Rows sent side by side, so that a backlog neither floods the producer nor trickles, nor holds the loop for long."""
IN_FLIGHT_ROWS: Final = 16 * BATCH_ROWS
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
        on_fired: Callable[[str], None] = lambda _topic: None,
        sweep_seconds: float = SWEEP_SECONDS,
    ) -> None:
        """Take the parts; `on_fired` is told the topic of each row that was sent."""
        self._rows = rows
        self._index = index
        self._send = send
        self._clock = clock
        self._destinations = destinations
        self._on_fired = on_fired
        self._sweep_seconds = sweep_seconds
        self._in_flight: dict[Place, asyncio.Task[bool]] = {}
        self._draining = False

    async def put(self, partition: int, key: str, row: DueRow) -> None:
        """Write a row, replacing the one of the same key; returns once Kafka holds it."""
        await self._rows.put(partition, key, row)

    def get(self, partition: int, key: str) -> DueRow | None:
        """Return the row that waits under a key, if any."""
        return self._rows.get(partition, key)

    async def sweep(self, may_begin: Callable[[], bool] = lambda: True) -> int:
        """Send what is due and delete its rows, batch after batch; return how many rows were begun with.

        `may_begin` is asked before each batch. Waits for the sends, but not for ever: one that hangs, as for a topic
        that is gone, goes on alone and holds up no later sweep. A crash between send and delete sends a record again,
        which every consumer of ours bears.
        """
        swept = 0
        all_gone = True
        while all_gone and may_begin() and (begun := self._begin_batch()):
            swept += len(begun)
            done, hanging = await asyncio.wait(begun, timeout=self._sweep_seconds)
            all_gone = not hanging and all(not task.cancelled() and task.result() for task in done)
        return swept

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

    def _begin_batch(self) -> list[asyncio.Task[bool]]:
        if self._draining or len(self._in_flight) >= IN_FLIGHT_ROWS:
            return []
        now = self._clock()
        begun = []
        for partition, key in self._index.due(now, BATCH_ROWS, but=self._in_flight):
            row = self._rows.get(partition, key)
            if row is not None and row.due_at <= now:
                begun.append(self._begin(partition, key, row))
        return begun

    def _begin(self, partition: int, key: str, row: DueRow) -> asyncio.Task[bool]:
        task = asyncio.create_task(self._fire(partition, key, row))
        self._in_flight[partition, key] = task
        task.add_done_callback(lambda _: self._in_flight.pop((partition, key)))
        return task

    async def _fire(self, partition: int, key: str, row: DueRow) -> bool:
        """Send one row; return whether it stands before no other row any more."""
        if row.topic not in self._destinations or row.key is row.value is None:
            logger.error("due.foreign", extra={"topic": row.topic, "row": key})  # somebody else's row in our changelog
            await self._rows.delete(partition, key, only=row)
            return True
        try:
            await self._send(row.topic, key=row.key, value=row.value, partition=partition, headers=row.headers)
            self._on_fired(row.topic)
            await self._rows.delete(partition, key, only=row)
        except Held as held:  # the row may be another worker's by now, who then sends it again
            logger.info("due.not_ours", extra={"row": key, "reason": held.reason})
            return False
        except (KafkaError, Refused) as error:  # for good, not away: the row stays, for whoever mends the cause
            logger.error("due.refused", extra={"topic": row.topic, "row": key, "error": repr(error)})  # noqa: TRY400
            self._make_room(partition, key, row)
        return True

    def _make_room(self, partition: int, key: str, row: DueRow) -> None:
        """Let others go before a row that is refused, or as many as a sweep takes would keep all others from going."""
        if self._rows.get(partition, key) == row:
            self._index.put(partition, key.encode(), replace(row, due_at=self._clock() + REFUSED_SECONDS))
