"""Says what became of an event: one outcome, or a dead letter; and what happened to its preview."""

import logging
from collections.abc import Callable

from msgspec import structs

from agents.guard import Guard
from agents.kafka.lane import Record
from agents.kafka.sender import Send
from stream.failures import Failure, Refused, Rejected, Stage
from stream.messages import (
    Attachment,
    ConversationRecord,
    DeadLetter,
    LifecycleRecord,
    Origin,
    Outcome,
    Result,
    StageTimings,
    dead_letter_key,
    encode,
)
from stream.records.headers import EVENT_ID, RawHeaders, dead_letter, dead_letter_headers, handed_on
from stream.telemetry import Metrics
from stream.topics import Topics

logger = logging.getLogger(__name__)


class Results:
    """Emits results and dead letters; each method returns once Kafka holds the record."""

    def __init__(self, topics: Topics, send: Send, metrics: Metrics, clock: Callable[[], float], guard: Guard) -> None:
        self._topics = topics
        self._send = send
        self._metrics = metrics
        self._clock = clock
        self._guard = guard

    async def outcome(self, outcome: Outcome, received_at: float | None, headers: RawHeaders) -> None:
        """Emit the one outcome of an event; `headers` are those of the record that it ended with."""
        await self._emit(outcome, outcome.conversation_id, outcome.event_id, headers)
        self._metrics.outcomes.labels(outcome.outcome, outcome.verdict).inc()
        self._guard.ended(outcome.conversation_id)
        if received_at is not None:
            self._metrics.end_to_end_seconds.observe(max(0.0, outcome.finished_at - received_at))
        logger.info(
            "attachment.linked" if outcome.outcome == "linked" else "attachment.rejected",
            extra={
                "event_id": outcome.event_id,
                "conversation_id": outcome.conversation_id,
                "verdict": outcome.verdict,
                "reason": outcome.reason,
                "attempt": outcome.attempt,
                "message_id": outcome.message_id,
            },
        )

    async def rejected(
        self, attachment: Attachment, failure: Rejected, attempt: int, timings: StageTimings, headers: RawHeaders
    ) -> None:
        """Emit the outcome of an event whose file, or its source, is at fault."""
        outcome = Outcome(
            event_id=attachment.event_id,
            conversation_id=attachment.conversation_id,
            outcome="rejected",
            verdict=failure.reason,
            reason=failure.message,
            file_name=attachment.file_name,
            mime_type=attachment.mime_type,
            attempt=attempt,
            timings=timings,
            finished_at=self._clock(),
        )
        await self.outcome(outcome, attachment.received_at, headers)

    async def lifecycle(self, record: LifecycleRecord, headers: RawHeaders = None) -> None:
        """Emit what happened to a stored preview."""
        await self._emit(record, record.conversation_id, record.event_id, headers)

    async def conversation(self, record: ConversationRecord) -> None:
        """Answer an order about a whole conversation."""
        await self._emit(record, record.conversation_id, record.order_id, None)

    async def dead_letter(self, record: Record, failure: Failure, stage: Stage, event_id: str) -> None:
        """Emit the dead letter of a record, with its bytes as they were read."""
        letter = dead_letter(
            failure,
            stage=stage,
            origin=Origin(topic=record.topic, partition=record.partition, offset=record.offset),
            key=record.key,
            payload=record.value,
            headers=record.headers,
            now=self._clock(),
            event_id=event_id,
        )
        try:
            await self._file(letter)
        except Refused:  # a header's name may become six times as long in JSON; key and payload always fit
            await self._file(structs.replace(letter, headers={}))
        self._metrics.dead_letters.labels(failure.reason, stage).inc()
        logger.error(
            "attachment.dead_letter",
            extra={
                "event_id": event_id,
                "reason": failure.reason,
                "stage": stage,
                "detail": failure.message,
                "origin": f"{record.topic}:{record.partition}:{record.offset}",
                "attempt": letter.attempt,
            },
        )

    async def _file(self, letter: DeadLetter) -> None:
        headers = dead_letter_headers(letter)
        await self._send(self._topics.dead_letters, key=dead_letter_key(letter), value=encode(letter), headers=headers)

    async def _emit(self, result: Result, conversation_id: str, event_id: str, headers: RawHeaders) -> None:
        await self._send(
            self._topics.results,
            key=conversation_id.encode(),
            value=encode(result),
            headers=[(EVENT_ID, event_id.encode()), *handed_on(headers)],
        )
