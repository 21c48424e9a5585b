"""The due table: records that are to be sent to a topic and partition at a time.

One table, one index and one timer serve delayed retries, expiry of previews and the forgetting of `links` rows. What is
due at once for the same partition of a topic may be sent together, where somebody says how.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Final, Protocol

from aiokafka.errors import KafkaError
from msgspec import Meta, Struct
from msgspec.structs import replace

from agents.kafka.sender import Send
from agents.side_by_side import side_by_side
from agents.tables.due_index import DueIndex
from agents.tables.rows import Rows
from agents.tables.times import Place
from stream.failures import Held, Refused
from stream.records.headers import RecordHeaders

logger = logging.getLogger(__name__)

LOOKED_AT_ROWS: Final = 1000
"""Due rows that one batch is made of at most."""
ALONE_ROWS: Final = 128
"""Of these, sent side by side each as a record of its own: more of them would hold the event loop for too long."""
TOGETHER_BYTES: Final = 400_000
"""Of the values that are sent as one record; its dead letter holds them in base64 and has to fit, too."""
IN_FLIGHT_ROWS: Final = 4096
"""Most rows whose sends may hang at a time."""
SWEEP_SECONDS: Final = 10.0
LOOK_AGAIN_SECONDS: Final = 3600.0
"""After which a row that stays until somebody has done what it is for is sent again, if it is still there; from then on
after as long as it is late, so that an outage of a day does not leave a day of copies in the topic."""
LOOK_AGAIN_MOST_SECONDS: Final = 86_400.0
SOON_SECONDS: Final = 5.0
"""Rows that are due so soon need not be brought forward."""
REFUSED_SECONDS: Final = 60.0
"""How long a row that Kafka refuses makes room for others, before it is sent again."""


class DueRow(Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """A record that is sent to `topic`, same partition as its row, at `dueAt` (Unix seconds).

    Nothing for the garbage collector to look at: when many are due, thousands are in work at a time.
    """

    version: int = 1
    due_at: Annotated[float, Meta(description="Unix time in seconds")]
    topic: str
    key: bytes | None = None
    value: bytes | None = None
    headers: RecordHeaders = []


class Gather(Protocol):
    """Makes one record of several that are due at once."""

    def takes(self, row: DueRow) -> bool:
        """Return whether a row's record may be sent together with others."""

    def together(self, rows: Sequence[DueRow]) -> bytes:
        """Return the value of the record that stands for all of them."""


@dataclass(frozen=True, slots=True)
class _Shipment:
    """Rows of one partition and topic that are sent as one record."""

    partition: int
    rows: Sequence[tuple[str, DueRow]]

    @property
    def topic(self) -> str:
        return self.rows[0][1].topic

    @property
    def places(self) -> list[Place]:
        return [(self.partition, key) for key, _ in self.rows]


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
        gather: Mapping[str, Gather] = MappingProxyType({}),
        stays: Callable[[str], bool] = lambda _key: False,
        on_fired: Callable[[str], None] = lambda _topic: None,
        sweep_seconds: float = SWEEP_SECONDS,
    ) -> None:
        """Take the parts; `gather` says for which topics, and how, records are sent together.

        `stays` says by its key whether a row is deleted by whoever does what it is for, and not once it is sent: what
        was done is then known by the row that is gone, whatever is delivered again.
        `on_fired` is told the topic of each row that was sent.
        """
        self._rows = rows
        self._index = index
        self._send = send
        self._clock = clock
        self._destinations = destinations
        self._gather = gather
        self._stays = stays
        self._on_fired = on_fired
        self._sweep_seconds = sweep_seconds
        self._in_turn = asyncio.Lock()
        self._in_flight: dict[Place, asyncio.Task[bool]] = {}
        self._draining = False

    async def put(self, partition: int, key: str, row: DueRow) -> None:
        """Write a row, replacing the one of the same key; returns once Kafka holds it."""
        await self._rows.put(partition, key, row)

    def get(self, partition: int, key: str) -> DueRow | None:
        """Return the row that waits under a key, if any."""
        return self._rows.get(partition, key)

    async def beginning_with(self, partition: int, prefix: str) -> list[tuple[str, DueRow]]:
        """Return the rows whose keys begin so."""
        return await self._rows.beginning_with(partition, prefix)

    async def delete(self, partition: int, key: str, *, only: DueRow) -> None:
        """Delete a row that stays, unless it was changed meanwhile; returns once Kafka knows."""
        await self._rows.delete(partition, key, only=only)

    async def move(self, partition: int, key: str, row: DueRow, due_at: float) -> None:
        """Write a row with another time, unless it was changed meanwhile."""
        await self._rows.put(partition, key, replace(row, due_at=due_at), only=row)

    async def hasten(self, partition: int, key: str) -> None:
        """Make a row due now, if there is one and it is not due soon."""
        now, row = self._clock(), self._rows.get(partition, key)
        if row is not None and row.due_at > now + SOON_SECONDS:
            await self.move(partition, key, row, now)

    def look_again(self, partition: int, key: str) -> None:
        """Send a row that stays when its own time comes, however long ago it was sent."""
        if (row := self._rows.get(partition, key)) is not None:
            self._index.put(partition, key.encode(), row)

    async def sweep(self, may_begin: Callable[[], bool] = lambda: True) -> int:
        """Send what is due and delete its rows, batch after batch; return how many rows were begun with.

        `may_begin` is asked before each batch. Waits for the sends, but not for ever: one that hangs, as for a topic
        that is gone, goes on alone and holds up no later sweep. A crash between send and delete sends a record again,
        which every consumer of ours bears.
        """
        swept = 0
        all_gone = True
        while all_gone and may_begin() and (shipments := self._shipments()):
            swept += sum(len(one.rows) for one in shipments)
            done, hanging = await asyncio.wait(map(self._begin, shipments), timeout=self._sweep_seconds)
            all_gone = not hanging and all(not task.cancelled() and task.result() for task in done)
        return swept

    async def drain(self, deadline_seconds: float) -> None:
        """Begin with no row until `resume`, wait for the sends under way, and give up those that hang.

        A tombstone that arrived after another worker has taken the partition over would delete the row that the
        worker may have written under the same key.
        """
        self._draining = True
        if self._in_flight:
            await asyncio.wait(set(self._in_flight.values()), timeout=min(deadline_seconds, self._sweep_seconds))
        await self.close()

    def resume(self) -> None:
        """Sweep again, after a drain."""
        self._draining = False

    async def close(self) -> None:
        """Give up the sends that hang; their rows stay."""
        tasks = set(self._in_flight.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _shipments(self) -> list[_Shipment]:
        """Return the next batch of what is due."""
        if self._draining or len(self._in_flight) >= IN_FLIGHT_ROWS:
            return []
        now = self._clock()
        alone: list[_Shipment] = []
        gathered: defaultdict[tuple[int, str], list[tuple[str, DueRow]]] = defaultdict(list)
        for partition, key in self._index.due(now, LOOKED_AT_ROWS, but=self._in_flight):
            row = self._rows.get(partition, key)
            if row is None:  # on disk, by another version of this program
                self._index.remove(partition, key.encode())
                continue
            if row.due_at > now:
                continue
            if (gather := self._gather.get(row.topic)) is not None and gather.takes(row):
                gathered[partition, row.topic].append((key, row))
            elif len(alone) < ALONE_ROWS:
                alone.append(_Shipment(partition, [(key, row)]))
        together = (_Shipment(place[0], some) for place, rows in gathered.items() for some in _in_parts(rows))
        return [*alone, *together]

    def _begin(self, shipment: _Shipment) -> asyncio.Task[bool]:
        task = asyncio.create_task(self._fire(shipment))
        places = shipment.places
        self._in_flight.update(dict.fromkeys(places, task))
        task.add_done_callback(lambda _: [self._in_flight.pop(place) for place in places])
        return task

    async def _fire(self, shipment: _Shipment) -> bool:
        """Send one record; return whether its rows stand before no other row any more."""
        try:
            await self._send_record(shipment)
            await self._settle(shipment)
        except Held as held:  # the rows may be another worker's by now, who then sends them again
            logger.info("due.not_ours", extra={"row": shipment.rows[0][0], "reason": held.reason})
            return False
        except (KafkaError, Refused) as error:  # for good, not away: the rows stay, for whoever mends the cause
            refused = {"topic": shipment.topic, "row": shipment.rows[0][0], "error": repr(error)}
            logger.error("due.refused", extra=refused)  # noqa: TRY400
            for key, row in shipment.rows:
                self._put_off(shipment.partition, key, row, REFUSED_SECONDS)
        return True

    async def _send_record(self, shipment: _Shipment) -> None:
        partition, ((key, row), *others) = shipment.partition, shipment.rows
        if row.topic not in self._destinations or row.key is row.value is None:
            logger.error("due.foreign", extra={"topic": row.topic, "row": key})  # somebody else's row in our changelog
            return
        if others:
            value = self._gather[row.topic].together([each for _, each in shipment.rows])
            await self._send(row.topic, key=None, value=value, partition=partition)
        else:
            await self._send(row.topic, key=row.key, value=row.value, partition=partition, headers=row.headers)
        for _ in shipment.rows:
            self._on_fired(row.topic)

    async def _settle(self, shipment: _Shipment) -> None:
        async with self._in_turn if len(shipment.rows) > 1 else nullcontext():
            await side_by_side(self._settle_row(shipment.partition, key, row) for key, row in shipment.rows)

    async def _settle_row(self, partition: int, key: str, row: DueRow) -> None:
        if self._stays(key):
            late_seconds = self._clock() - row.due_at
            self._put_off(partition, key, row, min(max(LOOK_AGAIN_SECONDS, late_seconds), LOOK_AGAIN_MOST_SECONDS))
        else:
            await self._rows.delete(partition, key, only=row)

    def _put_off(self, partition: int, key: str, row: DueRow, seconds: float) -> None:
        """Let others go first: the row itself stays as it is, and only this worker looks at it later."""
        if self._rows.get(partition, key) == row:
            self._index.put_off(partition, key.encode(), self._clock() + seconds)


def _in_parts(rows: Sequence[tuple[str, DueRow]]) -> Iterator[list[tuple[str, DueRow]]]:
    """Yield the rows in parts that one record can hold."""
    part: list[tuple[str, DueRow]] = []
    size = 0
    for key, row in rows:
        size += len(row.value or b"")
        if part and size > TOGETHER_BYTES:
            yield part
            part, size = [], len(row.value or b"")
        part.append((key, row))
    if part:
        yield part
