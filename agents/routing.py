"""Where a record goes that could not be brought to its end at once; the one edge of every agent.

A job never raises for a record's sake: what may succeed later becomes a row of the due table, what is the file's
fault an outcome, what is ours to mend a dead letter. Only `Held` passes through, to the lane. Once the guard has
tripped nothing of ours is given up: such a record waits in the due table for the worker that comes next.

What is about one conversation is worked on in that conversation's home partition alone, where its rows lie: a record
that a foreign producer's partitioner put elsewhere is sent there first.
"""

import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

import msgspec
from msgspec import structs

from agents.conversations import ERASED, Conversations
from agents.guard import Guard
from agents.kafka.lane import Job, Record
from agents.kafka.sender import Send
from agents.progress import Progress
from agents.results import Results
from agents.row_names import retry_row
from agents.said import LinkRow
from agents.subjects import attachment_of, conversation_of, event_id_of, home_conversation_of
from agents.tables.due import Due, DueRow
from stream.failures import Failure, Held, Postponed, Reason, Refused, Rejected, Retryable, Stage
from stream.messages import Attachment, LifecycleCommand, Preview
from stream.records.headers import Delivery, foreign
from stream.records.homes import partition_of
from stream.records.trace_context import trace_headers, trace_of
from stream.retry import RetryPolicy
from stream.telemetry import Metrics
from stream.tracing import UNTRACED, Kind, Trace, Tracer

logger = logging.getLogger(__name__)

SUCCESSOR_SECONDS: Final = 10.0
"""How long a record waits for the worker that comes after one that the guard has stopped."""

MessageT = TypeVar("MessageT", Attachment, Preview, LifecycleCommand)


@dataclass(frozen=True, slots=True)
class Task(Generic[MessageT]):
    """One decoded record on its way through an agent."""

    message: MessageT
    record: Record
    delivery: Delivery
    progress: Progress
    trace: Mapping[str, bytes] = field(default_factory=dict)
    """Headers by which other records follow what is traced here; none where nothing is."""

    @property
    def headers(self) -> Mapping[str, bytes]:
        """Return the record's headers for other records that come of it; a dead letter has them as they were read."""
        return {**self.record.headers, **self.trace} if self.trace else self.record.headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent(Generic[MessageT]):
    """One agent: how it reads a record and what it does with it."""

    stage: Stage
    decode: Callable[[bytes], MessageT]
    run: Callable[[Task[MessageT]], Awaitable[None]]
    ready: Callable[[], None] = lambda: None
    """Raises `Held` while what the agent needs cannot be had, so that no work is done in vain."""


class Routing:
    """Makes jobs of agents: runs them and routes what they raise."""

    def __init__(
        self,
        *,
        results: Results,
        due: Due,
        send: Send,
        conversations: Conversations,
        post_of: Callable[[int, str], LinkRow | None],
        partitions: int,
        policy: RetryPolicy,
        guard: Guard,
        stop: Callable[[BaseException], Awaitable[None]],
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        rng: random.Random,
        metrics: Metrics,
        tracer: Tracer = UNTRACED,
    ) -> None:
        """Take the parts; `stop` is told why the worker must end, `partitions` is how many each topic has.

        `post_of` tells of an event, by its partition and id, how far its post has come.
        """
        self._results = results
        self._due = due
        self._send = send
        self._conversations = conversations
        self._post_of = post_of
        self._partitions = partitions
        self._policy = policy
        self._guard = guard
        self._stop = stop
        self._clock = clock
        self._monotonic = monotonic
        self._rng = rng
        self._metrics = metrics
        self._tracer = tracer

    def job(self, agent: Agent[MessageT]) -> Job:
        """Return the job that a lane runs for each record of the agent's topic."""

        async def job(record: Record) -> None:
            try:
                message = agent.decode(record.value or b"")
            except msgspec.DecodeError as error:
                failure = Refused(Reason.UNDECODABLE, f"not a record of this topic: {error}")
                await self._results.dead_letter(record, failure, Stage.DECODE, "")
                return
            progress = Progress(agent.stage, self._metrics, self._monotonic, self._tracer)
            delivery = Delivery.from_headers(record.headers)
            parent = Trace(*trace_of(record.headers))
            with self._tracer.span(f"process {record.topic}", Kind.CONSUMER, parent=parent) as span:
                trace = dict(trace_headers(*span.trace))
                await self._run(agent, Task(message, record, delivery, progress, trace))

        return job

    async def _run(self, agent: Agent[MessageT], task: Task[MessageT]) -> None:
        try:
            if await self._sent_home(task) or await self._is_copy_of_erased(task):
                return
            agent.ready()
            await agent.run(task)
        except Held as held:
            self._metrics.holds.labels(held.reason).inc()
            logger.warning("lane.held", extra={"reason": held.reason, "detail": held.message, "for": held.for_seconds})
            raise
        except Failure as failure:
            await self._settle(task, failure)
        except Exception as error:  # the one broad net: a bug costs a record its way, not the process
            logger.exception("job.bug", extra={"event_id": event_id_of(task.message), "stage": task.progress.stage})
            # Counted as it happens: until it is given up, a deploy that breaks everything would have touched all.
            await self._trips_guard(task, Reason.INTERNAL)
            await self._settle(task, Retryable(Reason.INTERNAL, f"{type(error).__name__}: {error}"))

    async def _sent_home(self, task: Task[MessageT]) -> bool:
        """Send a record to the home partition of its conversation; return False when it is there."""
        record, conversation_id = task.record, home_conversation_of(task.message)
        key = b"" if conversation_id is None else conversation_id.encode()
        if conversation_id is None or (home := partition_of(key, self._partitions)) == record.partition:
            return False
        headers = list(record.headers.items())
        await self._send(record.topic, key=key, value=record.value, partition=home, headers=headers)
        return True

    async def _is_copy_of_erased(self, task: Task[MessageT]) -> bool:
        """Refuse a file of an erased conversation; return True when the record of its preview tells how it ends."""
        message = task.message
        if not isinstance(message, Attachment) or not self._is_of_erased(task):
            return False
        if self._is_copy(task):
            self._metrics.duplicates.inc()
            return True
        raise Rejected(Reason.ERASED, ERASED)

    def _is_of_erased(self, task: Task[MessageT]) -> bool:
        attachment = attachment_of(task.message)
        return attachment is not None and self._conversations.is_erased(
            task.record.partition, attachment.conversation_id
        )

    def _is_copy(self, task: Task[MessageT]) -> bool:
        """Return whether a record is only a copy of a file whose event ends with the record of its preview.

        A file that is rendered again or replayed is all there is of its event, unless that is known to be said.
        """
        post = self._post_of(task.record.partition, event_id_of(task.message))
        if post is None or not isinstance(task.message, Attachment):
            return False
        return post.state == "sent" or not (task.delivery.renders or task.delivery.replays)

    def _may_be_said(self, task: Task[MessageT]) -> bool:
        """Return whether a preview may have been posted; then its own agent tells how it ends."""
        event_id = event_id_of(task.message)
        return isinstance(task.message, Preview) and self._post_of(task.record.partition, event_id) is not None

    async def _settle(self, task: Task[MessageT], failure: Failure) -> None:
        if self._is_of_erased(task) and not self._may_be_said(task):  # then nothing is kept of it, whatever has failed
            if self._is_copy(task):
                self._metrics.duplicates.inc()
                return
            failure = Rejected(Reason.ERASED, ERASED)
        try:
            await self._route(task, failure)
        except Refused as refused:  # a row of the due table holds the record in base64, which may be too large for it
            await self._dead(task, refused)

    async def _route(self, task: Task[MessageT], failure: Failure) -> None:
        match failure:
            case Postponed():
                await self._later(task, failure, failure.until, task.delivery)
            case Retryable():
                await self._try_again(task, failure)
            case Rejected() if (attachment := attachment_of(task.message)) is not None:
                attempt = task.delivery.attempt
                timings = task.progress.timings()
                if failure.reason is Reason.ERASED:
                    await self._conversations.tidy(task.record.partition, attachment.conversation_id)
                    attachment = structs.replace(attachment, file_name="", mime_type="")
                await self._results.rejected(attachment, failure, attempt, timings, task.headers)
            case _:
                await self._dead(task, failure)

    async def _try_again(self, task: Task[MessageT], failure: Retryable) -> None:
        now, delivery = self._clock(), task.delivery
        age_seconds = delivery.age_seconds(now)
        following = self._policy.next_try(failure, attempt=delivery.attempt, age_seconds=age_seconds, rng=self._rng)
        if following is None:
            tried = f"{failure.reason} still at attempt {delivery.attempt}, {age_seconds:.0f} s after the first"
            await self._dead(task, Refused(Reason.RETRIES_EXHAUSTED, f"{tried}: {failure.message}"), failure.reason)
            return
        again = delivery.retried(now) if following.counted else delivery.put_off(now)
        await self._later(task, failure, now + following.delay_seconds, again)

    async def _dead(self, task: Task[MessageT], failure: Failure, cause: Reason | None = None) -> None:
        if await self._trips_guard(task, cause or failure.reason):
            # Not left uncommitted: what was given up behind it would be delivered again and end in two ways.
            await self._later(task, failure, self._clock() + SUCCESSOR_SECONDS, task.delivery)
            return
        await self._results.dead_letter(task.record, failure, task.progress.stage, event_id_of(task.message))

    async def _trips_guard(self, task: Task[MessageT], reason: Reason) -> bool:
        verdict = self._guard.failed(conversation_of(task.message), reason)
        if verdict is not None:
            await self._stop(verdict)
        return verdict is not None

    async def _later(self, task: Task[MessageT], failure: Failure, due_at: float, delivery: Delivery) -> None:
        record: Record = task.record
        row = DueRow(
            due_at=due_at,
            topic=record.topic,
            key=record.key,
            value=record.value,
            headers=[*foreign(task.headers), *delivery.to_headers()],
        )
        # The record's own place names the row: a redelivery of the record replaces it instead of adding one. The time
        # tells apart the records of a topic that was made anew.
        place = f"{record.topic}/{record.offset}/{record.timestamp or 0.0:.3f}"
        await self._due.put(record.partition, retry_row(home_conversation_of(task.message), place), row)
        self._metrics.retries.labels(failure.reason, task.progress.stage).inc()
        logger.warning(
            "attachment.retry",
            extra={
                "event_id": event_id_of(task.message),
                "reason": failure.reason,
                "stage": task.progress.stage,
                "detail": failure.message,
                "attempt": task.delivery.attempt,
                "in_seconds": round(due_at - self._clock(), 1),
            },
        )
