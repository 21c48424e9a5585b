"""The lifecycle agent: previews end when their time has come, or when somebody orders it.

The row of an expiry stays in the due table until its object is deleted and that is told of. So a command that is
delivered again, after a crash or by a timer that was taken over, finds no row and tells nothing twice.
"""

from collections.abc import Callable, Sequence
from typing import Final, Literal, NamedTuple

import msgspec

from agents.conversations import Conversations
from agents.kafka.sender import Send
from agents.orders import Orders
from agents.results import Results
from agents.routing import Task
from agents.row_names import expiry_row, forget_row, lapse_row
from agents.said import LinkRow
from agents.side_by_side import side_by_side
from agents.storage import ObjectStore
from agents.tables.due import Due, DueRow
from agents.tables.rows import Rows
from stream.failures import Refused, Retryable
from stream.messages import (
    Expire,
    Forget,
    Lapse,
    LifecycleCommand,
    LifecycleRecord,
    Order,
    Together,
    decode_lifecycle_command,
    encode,
)
from stream.records.homes import partition_of
from stream.telemetry import Metrics
from stream.topics import Topics

TRIES_TOGETHER: Final = 3
"""From then on what fails each time may be a single object of them."""
HELD_SECONDS: Final = 86_400.0
"""How long an expiry of a held conversation is put off at a time."""


class CommandsTogether:
    """Makes one record of the commands that are due at once, so that many objects are deleted by one request."""

    def takes(self, row: DueRow) -> bool:
        """Return whether the row holds a command as it was first written; what failed before goes alone."""
        if row.headers:
            return False
        try:
            return isinstance(decode_lifecycle_command(row.value or b""), Expire | Forget)
        except msgspec.DecodeError:
            return False

    def together(self, rows: Sequence[DueRow]) -> bytes:
        """Return the value of the record."""
        commands = (decode_lifecycle_command(row.value or b"") for row in rows)
        return encode(Together(commands=tuple(one for one in commands if isinstance(one, Expire | Forget))))


class Ending(NamedTuple):
    """A preview that ends now, and the row that says so; none where the row is gone and the object is not."""

    command: Expire
    row: DueRow | None
    state: Literal["expired", "erased"]


class LifecycleAgent:
    """Deletes expired previews, and rows of events that can no longer be delivered again; carries out orders."""

    def __init__(
        self,
        *,
        topics: Topics,
        store: ObjectStore,
        due: Due,
        links: Rows[LinkRow],
        conversations: Conversations,
        results: Results,
        metrics: Metrics,
        clock: Callable[[], float],
        certainly_ours: Callable[[], None],
        send: Send,
        partitions: int,
    ) -> None:
        """Take the parts; `certainly_ours` raises Held while the partitions may be another worker's.

        `partitions` is how many each topic has.
        """
        self._topics = topics
        self._store = store
        self._due = due
        self._links = links
        self._conversations = conversations
        self._orders = Orders(
            conversations=conversations,
            store=store,
            due=due,
            results=results,
            metrics=metrics,
            certainly_ours=certainly_ours,
            clock=clock,
        )
        self._results = results
        self._metrics = metrics
        self._clock = clock
        self._certainly_ours = certainly_ours
        self._send = send
        self._partitions = partitions

    async def run(self, task: Task[LifecycleCommand]) -> None:
        """Carry out one command, or several that were due at once."""
        partition = task.record.partition
        match task.message:
            case Order() as order:
                await self._orders.carry_out(order, partition)
            case Lapse(conversation_id=conversation_id):
                await self._lapse(conversation_id, partition)
            case Together(commands=commands):
                await self._end(commands, partition, task.delivery.attempt)
            case command:
                await self._end((command,), partition, task.delivery.attempt)

    async def _end(self, commands: Sequence[Expire | Forget], partition: int, attempt: int) -> None:
        expires: list[Expire] = []
        away: list[tuple[Expire, int]] = []
        for command in commands:
            if isinstance(command, Expire):
                home = partition_of(command.conversation_id.encode(), self._partitions)
                (expires.append(command) if home == partition else away.append((command, home)))
        await side_by_side(self._send_home(command, partition, home) for command, home in away)
        async with self._conversations.locks.all({command.conversation_id for command in expires}):
            await self._expire(expires, partition, attempt)
        forgets = (command for command in commands if isinstance(command, Forget))
        await side_by_side(self._forget(command.event_id, partition) for command in forgets)

    async def _send_home(self, command: Expire, partition: int, home: int) -> None:
        """Send an expiry to where its conversation may be held, and its preview rendered again since.

        It was away before topics were given more partitions, or by a producer's partitioner before all was sent home.
        """
        name = expiry_row(command.object_key)
        row = self._due.get(partition, name)
        if row is not None and row.due_at > self._clock():
            self._due.look_again(partition, name)
            return
        key, value = command.conversation_id.encode(), encode(command)
        await self._send(self._topics.lifecycle, key=key, value=value, partition=home)
        if row is not None:
            await self._due.delete(partition, name, only=row)

    async def _forget(self, event_id: str, partition: int) -> None:
        if not self._is_renewed(forget_row(event_id), partition):  # e.g. posted again after a late replay
            await self._links.delete(partition, event_id)

    async def _lapse(self, conversation_id: str, partition: int) -> None:
        if not self._is_renewed(lapse_row(conversation_id), partition):
            await self._conversations.forget(partition, conversation_id)

    def _is_renewed(self, row: str, partition: int) -> bool:
        """Return whether a later command of the same kind is on its way."""
        renewed = self._due.get(partition, row)
        return renewed is not None and renewed.due_at > self._clock()

    async def _expire(self, commands: Sequence[Expire], partition: int, attempt: int) -> None:
        endings: list[Ending] = []
        await side_by_side(self._sort(command, partition, endings) for command in commands)
        self._certainly_ours()  # else a worker that was frozen deletes what another holds, or has rendered again, since
        try:
            await self._store.delete([ending.command.object_key for ending in endings])
        except (Refused, Retryable) as failure:
            if len(endings) == 1 or (isinstance(failure, Retryable) and attempt < TRIES_TOGETHER):
                if isinstance(failure, Refused):
                    await self._done(endings[0], partition)  # its dead letter is the order from now on
                raise
            await side_by_side(self._alone(ending.command, partition) for ending in endings)  # most of them may go
            return
        await side_by_side(self._tell(ending, partition) for ending in endings)

    async def _sort(self, command: Expire, partition: int, endings: list[Ending]) -> None:
        """Decide what becomes of a preview: it ends now, or is left as it is, or its row is put off."""
        name = expiry_row(command.object_key)
        row = self._due.get(partition, name)
        is_erased = self._conversations.is_erased(partition, command.conversation_id)
        if row is not None and row.due_at > self._clock():  # rendered again, e.g. by a replay; held; a clock was ahead
            self._due.look_again(partition, name)
        elif row is None and not is_erased and command.expires_at > self._clock():  # ordered anew: the table was lost
            await self._due.put(partition, name, self._row(command, command, command.expires_at))
        elif row is None and not await self._store.exists(command.object_key):
            pass  # it was carried out before
        elif self._conversations.is_held(partition, command.conversation_id):
            await self._due.put(partition, name, self._row(command, command, self._clock() + HELD_SECONDS))
        else:
            endings.append(Ending(command, row, "erased" if is_erased else "expired"))

    async def _alone(self, command: Expire, partition: int) -> None:
        row = self._row(command, Together(commands=(command,)), self._clock())
        await self._due.put(partition, expiry_row(command.object_key), row)

    def _row(self, command: Expire, value: Expire | Together, due_at: float) -> DueRow:
        key = command.conversation_id.encode()
        return DueRow(due_at=due_at, topic=self._topics.lifecycle, key=key, value=encode(value))

    async def _tell(self, ending: Ending, partition: int) -> None:
        self._certainly_ours()  # else another worker finds the row, and tells it, too
        command = ending.command
        record = LifecycleRecord(
            event_id=command.event_id,
            conversation_id=command.conversation_id,
            object_key=command.object_key,
            state=ending.state,
            at=self._clock(),
        )
        await self._results.lifecycle(record)
        (self._metrics.previews_erased if ending.state == "erased" else self._metrics.previews_expired).inc()
        await self._done(ending, partition)

    async def _done(self, ending: Ending, partition: int) -> None:
        if ending.row is not None:
            await self._due.delete(partition, expiry_row(ending.command.object_key), only=ending.row)
