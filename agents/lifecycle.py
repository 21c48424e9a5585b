"""The lifecycle agent: previews end when their time has come."""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from agents.render import expiry_row
from agents.results import Results
from agents.routing import Task
from agents.said import LinkRow, forget_row
from agents.side_by_side import side_by_side
from agents.storage import ObjectStore
from agents.tables.due import Due, DueRow
from agents.tables.rows import Rows
from stream.failures import Postponed, Reason, Refused, Retryable
from stream.messages import (
    Expire,
    Forget,
    LifecycleCommand,
    LifecycleRecord,
    Together,
    decode_lifecycle_command,
    encode,
)
from stream.telemetry import Metrics
from stream.topics import Topics

TRIES_TOGETHER: Final = 3
"""From then on what fails each time may be a single object of them."""


class CommandsTogether:
    """Makes one record of the commands that are due at once, so that many objects are deleted by one request."""

    def takes(self, row: DueRow) -> bool:
        """Return whether the row holds a command as it was first written; what failed before goes alone."""
        if row.headers:
            return False
        try:
            return not isinstance(decode_lifecycle_command(row.value or b""), Together)
        except msgspec.DecodeError:
            return False

    def together(self, rows: Sequence[DueRow]) -> bytes:
        """Return the value of the record."""
        commands = (decode_lifecycle_command(row.value or b"") for row in rows)
        return encode(Together(commands=tuple(one for one in commands if not isinstance(one, Together))))


class LifecycleAgent:
    """Deletes expired previews, and rows of events that can no longer be delivered again."""

    def __init__(
        self,
        *,
        topics: Topics,
        store: ObjectStore,
        due: Due,
        links: Rows[LinkRow],
        results: Results,
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        self._topics = topics
        self._store = store
        self._due = due
        self._links = links
        self._results = results
        self._metrics = metrics
        self._clock = clock

    async def run(self, task: Task[LifecycleCommand]) -> None:
        """Carry out one command, or several that were due at once."""
        message, partition = task.message, task.record.partition
        commands = message.commands if isinstance(message, Together) else (message,)
        expires = [command for command in commands if isinstance(command, Expire)]
        await self._expire(expires, partition, task.delivery.attempt)
        forgets = (command for command in commands if isinstance(command, Forget))
        await side_by_side(self._forget(command.event_id, partition) for command in forgets)

    async def _forget(self, event_id: str, partition: int) -> None:
        if not self._is_renewed(forget_row(event_id), partition):  # e.g. posted again after a late replay
            await self._links.delete(partition, event_id)

    def _is_renewed(self, row: str, partition: int) -> bool:
        """Return whether a later command of the same kind is on its way."""
        renewed = self._due.get(partition, row)
        return renewed is not None and renewed.due_at > self._clock()

    async def _expire(self, commands: Sequence[Expire], partition: int, attempt: int) -> None:
        now = self._clock()
        latest = max((command.expires_at for command in commands), default=now)
        if latest > now:
            raise Postponed(Reason.NOT_DUE, "the preview's time has not come", latest)
        # Others were rendered again meanwhile, e.g. by a replay.
        ended = [one for one in commands if not self._is_renewed(expiry_row(one.object_key), partition)]
        try:
            await self._store.delete([command.object_key for command in ended])
        except (Refused, Retryable) as failure:
            if len(ended) == 1 or (isinstance(failure, Retryable) and attempt < TRIES_TOGETHER):
                raise
            await side_by_side(self._alone(command, partition) for command in ended)  # most of them may go
            return
        await side_by_side(self._tell(command, now) for command in ended)

    async def _alone(self, command: Expire, partition: int) -> None:
        row = DueRow(
            due_at=self._clock(),
            topic=self._topics.lifecycle,
            key=command.conversation_id.encode(),
            value=encode(Together(commands=(command,))),
        )
        await self._due.put(partition, expiry_row(command.object_key), row)

    async def _tell(self, command: Expire, now: float) -> None:
        record = LifecycleRecord(
            event_id=command.event_id,
            conversation_id=command.conversation_id,
            object_key=command.object_key,
            state="expired",
            at=now,
        )
        await self._results.lifecycle(record)
        self._metrics.previews_expired.inc()
