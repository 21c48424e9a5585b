"""The lifecycle agent: previews end when their time has come."""

from collections.abc import Callable

from agents.render import expiry_row
from agents.results import Results
from agents.routing import Task
from agents.said import LinkRow, forget_row
from agents.storage import ObjectStore
from agents.tables.due import Due
from agents.tables.rows import Rows
from stream.failures import Postponed, Reason
from stream.messages import Expire, Forget, LifecycleCommand, LifecycleRecord
from stream.telemetry import Metrics


class LifecycleAgent:
    """Deletes expired previews, and rows of events that can no longer be delivered again."""

    def __init__(
        self,
        *,
        store: ObjectStore,
        due: Due,
        links: Rows[LinkRow],
        results: Results,
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._due = due
        self._links = links
        self._results = results
        self._metrics = metrics
        self._clock = clock

    async def run(self, task: Task[LifecycleCommand]) -> None:
        """Carry out one command."""
        match task.message:
            case Expire():
                await self._expire(task.message, task.record.partition)
            case Forget():
                await self._forget(task.message.event_id, task.record.partition)

    async def _forget(self, event_id: str, partition: int) -> None:
        if not self._is_renewed(forget_row(event_id), partition):  # e.g. posted again after a late replay
            await self._links.delete(partition, event_id)

    def _is_renewed(self, row: str, partition: int) -> bool:
        """Return whether a later command of the same kind is on its way."""
        renewed = self._due.get(partition, row)
        return renewed is not None and renewed.due_at > self._clock()

    async def _expire(self, command: Expire, partition: int) -> None:
        now = self._clock()
        if command.expires_at > now:
            raise Postponed(Reason.NOT_DUE, "the preview's time has not come", command.expires_at)
        if self._is_renewed(expiry_row(command.object_key), partition):
            return  # rendered again meanwhile, e.g. by a replay
        await self._store.delete(command.object_key)
        self._metrics.previews_expired.inc()
        record = LifecycleRecord(
            event_id=command.event_id,
            conversation_id=command.conversation_id,
            object_key=command.object_key,
            state="expired",
            at=now,
        )
        await self._results.lifecycle(record)
