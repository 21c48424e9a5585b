"""The link agent: a stored preview is posted into its conversation, effectively once.

The row of an event says SENDING before the POST and SENT after it. A delivery that finds SENT is done. One that
finds SENDING cannot know whether the POST was carried out: it waits until no such POST can still be under way, then
reads the conversation back and looks for the object key, which is part of every address of the preview. Where that
cannot tell, a setting decides: it is posted again, or parked as a dead letter, whose replay is the order to post.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal, Protocol

from agents.conversations import Conversations
from agents.genesys.links import Link
from agents.kafka.sender import Send
from agents.results import Results
from agents.routing import Task
from agents.said import Event, LinkRow, Said
from agents.storage import ObjectStore
from stream.failures import Ambiguous, Failure, Held, Postponed, Reason, Refused, Stage
from stream.genesys.api import ALWAYS, Permit
from stream.messages import Outcome, Preview, encode
from stream.records.headers import handed_on
from stream.retry import RetryPolicy
from stream.telemetry import Metrics
from stream.topics import Topics

logger = logging.getLogger(__name__)

POST_START_SECONDS: Final = 20.0
"""How long a post may wait for its share of the rate before it must not start any more."""
CLOCK_SKEW_SECONDS: Final = 5.0
MOST_RENDERS: Final = 3
"""How often a file is rendered again at once because its stored preview is gone; then somebody takes them away."""
INTERRUPTED: Final = "interrupted"
LATE: Final = "late"


class Poster(Protocol):
    """Posts and reads back; see agents/genesys."""

    async def post(self, link: Link, *, permit: Permit = ALWAYS) -> str:
        """Post and return the message id; the write starts only while it is permitted."""

    async def find(self, conversation_id: str, needle: str) -> str | None:
        """Return the id of the message that holds the needle; raises Refused or Held where it may not look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkPolicy:
    """Times of the link agent."""

    post_timeout_seconds: float
    idempotent: bool
    """Posting twice says nothing twice (mode `attributes`), so no row is needed."""
    reads_back_all: bool = True
    """What was posted can be found, so that what is not found was not posted; other modes may post elsewhere."""
    uncertain_post: Literal["repeat", "park"] = "park"
    """What happens to a preview that may have been posted where reading back cannot tell."""


class LinkAgent:
    """[previews] → post → [results]."""

    def __init__(
        self,
        *,
        topics: Topics,
        poster: Poster,
        store: ObjectStore,
        said: Said,
        conversations: Conversations,
        results: Results,
        send: Send,
        policy: LinkPolicy,
        retry: RetryPolicy,
        metrics: Metrics,
        clock: Callable[[], float],
        owned_seconds: Callable[[], float],
    ) -> None:
        """Take the parts; `owned_seconds` tells for how long the partitions are certainly this worker's."""
        self._topics = topics
        self._poster = poster
        self._store = store
        self._said = said
        self._conversations = conversations
        self._results = results
        self._send = send
        self._policy = policy
        self._retry = retry
        self._metrics = metrics
        self._clock = clock
        self._owned_seconds = owned_seconds

    async def run(self, task: Task[Preview]) -> None:
        """Bring one preview into its conversation."""
        preview = task.message
        with task.progress.at(Stage.LINK):
            message_id = await self._said_before(task)
            if message_id is None:
                self._refuse_erased(task)
            if message_id is None and not await self._still_there(preview):
                await self._render_again(task)
                return
            link = self._link(preview)
            if message_id is None:
                message_id = await self._say(task, link)
        await self._conclude(task, link, message_id)

    async def _said_before(self, task: Task[Preview]) -> str | None:
        """Return the message id of an earlier delivery's post, None when it is to be posted now."""
        row = self._said.of(event_of(task))
        if row is None:
            return await self._said_long_ago(task) if task.delivery.replays and not self._policy.idempotent else None
        if row.state == "sent":
            self._metrics.duplicates.inc()
            return row.message_id
        if self._clock() < row.not_before:
            raise Postponed(Reason.POST_UNCERTAIN, "an earlier post may still be under way", row.not_before)
        message_id, doubt = await self._look_for(task.message)
        if task.delivery.tried_since is None and row.parked_after_replays is None:  # else it was counted as it happened
            self._metrics.posts_ambiguous.labels(INTERRUPTED).inc()
        if message_id is not None:
            self._metrics.duplicates.inc()
            await self._said.sent(event_of(task), message_id)
        elif doubt and not self._may_repeat(task, row):
            self._refuse_erased(task)  # nobody need be asked
            await self._park(task, row, doubt)
        return message_id

    async def _said_long_ago(self, task: Task[Preview]) -> str | None:
        """Look before a replay: a dead letter is kept for longer than the row that tells what was said."""
        message_id, _ = await self._look_for(task.message)
        if message_id is not None:
            self._metrics.duplicates.inc()
            await self._said.sent_long_ago(event_of(task), message_id)
        return message_id

    async def _look_for(self, preview: Preview) -> tuple[str | None, str]:
        """Return the id of the message that names the preview, if found; else why it may be there all the same."""
        try:
            found = await self._poster.find(preview.attachment.conversation_id, preview.object_key)
        except Refused as refused:
            return None, f"the conversation cannot be read back ({refused.message})"
        except Held as held:
            if held.reason is not Reason.PERMISSION_MISSING:
                raise
            return None, f"the conversation may not be read back ({held.message})"
        return found, "" if self._policy.reads_back_all else "Genesys may have put it into another conversation"

    def _may_repeat(self, task: Task[Preview], row: LinkRow) -> bool:
        """Tell whether the preview may be said twice: by the setting, or because an operator has replayed it."""
        if self._policy.uncertain_post == "repeat":
            return True
        return row.parked_after_replays is not None and task.delivery.replays > row.parked_after_replays

    async def _park(self, task: Task[Preview], row: LinkRow, doubt: str) -> None:
        # Before the dead letter: no replay of it may find a row that does not know of the question.
        await self._said.parked(event_of(task), row, task.delivery.replays)
        raise Refused(Reason.POST_UNVERIFIED, f"an earlier post may have been made, and {doubt}; a replay posts it")

    async def _still_there(self, preview: Preview) -> bool:
        return self._clock() < preview.expires_at and await self._store.exists(preview.object_key)

    async def _render_again(self, task: Task[Preview]) -> None:
        if task.delivery.renders >= MOST_RENDERS or self._retry.exhausted(task.delivery.attempt):
            raise Refused(Reason.PREVIEW_MISSING, "the stored preview is gone, also after rendering it again")
        attachment = task.message.attachment
        await self._send(
            self._topics.attachments,
            key=attachment.conversation_id.encode(),
            value=encode(attachment),
            headers=[*handed_on(task.headers), *task.delivery.rendered_again(self._clock()).to_headers()],
        )
        self._metrics.retries.labels(Reason.PREVIEW_MISSING, Stage.LINK).inc()

    async def _say(self, task: Task[Preview], link: Link) -> str:
        write_before = self._clock() + min(POST_START_SECONDS, self._owned_seconds())
        if self._policy.idempotent:
            return await self._post(task, link, Permit(write_before, partial(self._refuse_erased, task)))
        not_before = write_before + self._policy.post_timeout_seconds + CLOCK_SKEW_SECONDS
        before = self._said.of(event_of(task))
        await self._said.sending(event_of(task), not_before)
        certainly_unsaid = False
        late = False
        try:
            message_id = await self._post(task, link, Permit(write_before, partial(self._refuse_erased, task)))
        except Failure as failure:
            certainly_unsaid = not isinstance(failure, Ambiguous)
            if isinstance(failure, Ambiguous):
                self._metrics.posts_ambiguous.labels(failure.kind).inc()
            else:
                await self._said.restore(event_of(task), before)
            raise
        finally:
            if not certainly_unsaid:
                late = self._tell_if_late(link, not_before)
        if late:
            self._metrics.posts_ambiguous.labels(LATE).inc()
        await self._said.sent(event_of(task), message_id)
        return message_id

    async def _post(self, task: Task[Preview], link: Link, permit: Permit) -> str:
        with task.progress.calling("post"):
            return await self._poster.post(link, permit=permit)

    def _refuse_erased(self, task: Task[Preview]) -> None:
        self._conversations.refuse_erased(task.record.partition, task.message.attachment.conversation_id)

    def _tell_if_late(self, link: Link, not_before: float) -> bool:
        """Count a post that another worker may have given up waiting for, because this one was frozen as it wrote."""
        late_seconds = self._clock() - not_before
        if late_seconds > 0:
            self._metrics.late_posts.inc()
            logger.warning("link.late", extra={"event_id": link.event_id, "late_seconds": round(late_seconds, 1)})
        return late_seconds > 0

    def _link(self, preview: Preview) -> Link:
        attachment = preview.attachment
        return Link(
            conversation_id=attachment.conversation_id,
            event_id=attachment.event_id,
            url=self._store.url(preview.object_key, preview.expires_at, self._clock()),
            file_name=attachment.file_name,
            mime_type=attachment.mime_type,
            preview_format=preview.picture.format,
            size_bytes=preview.picture.size_bytes,
        )

    async def _conclude(self, task: Task[Preview], link: Link, message_id: str) -> None:
        preview = task.message
        attachment = preview.attachment
        is_erased = self._conversations.is_erased(task.record.partition, attachment.conversation_id)
        outcome = Outcome(
            event_id=attachment.event_id,
            conversation_id=attachment.conversation_id,
            outcome="linked",
            verdict=preview.picture.verdict,
            file_name="" if is_erased else attachment.file_name,
            mime_type="" if is_erased else attachment.mime_type,
            preview_url=None if is_erased else link.url,
            picture=None if is_erased else preview.picture,
            message_id=message_id,
            attempt=task.delivery.attempt,
            timings=task.progress.timings(preview.timings),
            finished_at=self._clock(),
        )
        await self._results.outcome(outcome, attachment.received_at, task.headers)


def event_of(task: Task[Preview]) -> Event:
    """Return the event of a task, where its rows lie."""
    return Event(task.record.partition, task.message.attachment.event_id, task.record.key)
