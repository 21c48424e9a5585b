"""What was said: how far the post of each event has come, and until when that is remembered."""

import asyncio
from collections.abc import Callable
from typing import Literal, NamedTuple

from msgspec import Struct, structs

from agents.row_names import forget_row
from agents.tables.due import Due, DueRow
from agents.tables.rows import Rows
from stream.messages import Forget, encode


class LinkRow(Struct, frozen=True, kw_only=True, rename="camel"):
    """How far the post of an event has come; `notBefore` is Unix time in seconds.

    `parkedAfterReplays` tells that the event was parked, and how often it had been replayed then: a delivery that was
    replayed more often is the operator's answer. A parked row is a SENDING one to workers that do not know the field.
    """

    version: int = 1
    state: Literal["sending", "sent"]
    not_before: float = 0.0
    message_id: str = ""
    parked_after_replays: int | None = None


class Event(NamedTuple):
    """An event where its rows lie; `key` is its record's, and so its conversation's."""

    partition: int
    event_id: str
    key: bytes | None


class Said:
    """The rows of table `links`, each with an order in the due table that ends it.

    A write returns once Kafka has it.
    """

    def __init__(
        self,
        links: Rows[LinkRow],
        due: Due,
        *,
        lifecycle_topic: str,
        lifetime_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        """Take the tables; a row lives as long as a record of its event can be delivered, and as its preview."""
        self._links = links
        self._due = due
        self._lifecycle_topic = lifecycle_topic
        self._lifetime_seconds = lifetime_seconds
        self._clock = clock

    def of(self, event: Event) -> LinkRow | None:
        """Return what is known of an event's post."""
        return self._links.get(event.partition, event.event_id)

    async def sending(self, event: Event, not_before: float) -> None:
        """Note that a post begins, which nobody may take for lost before `not_before`, Unix seconds."""
        # Both before the POST: a crash can then leave neither a post without a row nor a row that stays for ever.
        await asyncio.gather(
            self._remember_to_forget(event), self._put(event, LinkRow(state="sending", not_before=not_before))
        )

    async def sent(self, event: Event, message_id: str) -> None:
        """Note that an event was said."""
        await self._put(event, LinkRow(state="sent", message_id=message_id))

    async def sent_long_ago(self, event: Event, message_id: str) -> None:
        """Note that an event was said whose row had been forgotten."""
        await self._remember_to_forget(event)
        await self.sent(event, message_id)

    async def parked(self, event: Event, row: LinkRow, replays: int) -> None:
        """Note that an operator is asked about an event which was replayed so often."""
        await self._put(event, structs.replace(row, parked_after_replays=replays))

    async def restore(self, event: Event, before: LinkRow | None) -> None:
        """Put back what was known before a post that certainly was not made; mostly nothing, so nobody need look."""
        if before is None:
            await self._links.delete(event.partition, event.event_id)
        else:
            await self._put(event, before)

    async def _put(self, event: Event, row: LinkRow) -> None:
        await self._links.put(event.partition, event.event_id, row)

    async def _remember_to_forget(self, event: Event) -> None:
        forget = DueRow(
            due_at=self._clock() + self._lifetime_seconds,
            topic=self._lifecycle_topic,
            key=event.key,
            value=encode(Forget(event_id=event.event_id)),
        )
        await self._due.put(event.partition, forget_row(event.event_id), forget)
