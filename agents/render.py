"""The render agent: an attachment becomes a stored preview, or a verdict."""

from collections.abc import Callable, Mapping
from typing import Final, Literal, NamedTuple, Protocol

from agents.conversations import Conversations
from agents.download import Download
from agents.expiries import promised_until
from agents.kafka.sender import Send
from agents.object_keys import object_key
from agents.rendering import verdicts
from agents.rendering.verdicts import Answer, Rendition, Verdict
from agents.results import Results
from agents.routing import Task
from agents.row_names import expiry_row
from agents.source import Source
from agents.storage import ObjectStore
from agents.tables.due import Due, DueRow
from stream.failures import Reason, Rejected, Stage
from stream.messages import Attachment, Expire, LifecycleRecord, Picture, Preview, Variant, encode
from stream.records.headers import EVENT_ID, REPLAYS, RecordHeaders, handed_on
from stream.settings import Secret
from stream.telemetry import Metrics
from stream.topics import Topics

CONTENT_TYPE = "image/webp"
VERDICTS: Final[Mapping[Verdict, Literal["rendered", "partial", "unsupported"]]] = {
    Verdict.RENDERED: "rendered",
    Verdict.PARTIAL: "partial",
    Verdict.UNSUPPORTED: "unsupported",
}


class Renderer(Protocol):
    """Renders in a child process; see agents/rendering."""

    async def render(
        self, data: bytes, *, file_name: str, declared_mime: str | None, sha256: bytes | None = None
    ) -> Answer:
        """Return a picture or a refusal; `sha256` is the digest of `data`, where the caller has it."""


class Place(NamedTuple):
    """What all pictures of one attachment have in common where they are stored."""

    attachment: Attachment
    partition: int
    sha256: str
    expires_at: float


class RenderAgent:
    """download → render → expiry row → PUT → [previews].

    The expiry row is acknowledged before the PUT, so no object can outlive its row. Keys are deterministic, so
    doing all of it twice is harmless.
    """

    def __init__(
        self,
        *,
        topics: Topics,
        source: Source,
        renderer: Renderer,
        store: ObjectStore,
        due: Due,
        conversations: Conversations,
        results: Results,
        send: Send,
        key_secret: Secret,
        render_version: str,
        ttl_seconds: float,
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        self._topics = topics
        self._source = source
        self._renderer = renderer
        self._store = store
        self._due = due
        self._conversations = conversations
        self._results = results
        self._send = send
        self._key_secret = key_secret
        self._render_version = render_version
        self._ttl_seconds = ttl_seconds
        self._metrics = metrics
        self._clock = clock

    async def run(self, task: Task[Attachment]) -> None:
        """Bring one attachment to [previews]."""
        progress = task.progress
        with progress.at(Stage.DOWNLOAD):
            attachment, *others = await self._source.files(task.message)
            for other in others:
                await self._announce(task, other)
            download = await self._source.fetch(attachment)
        self._metrics.downloaded_bytes.inc(len(download.data))
        with progress.at(Stage.RENDER):
            rendition = await self._render(attachment, download)
        with progress.at(Stage.STORE):
            expires_at = self._clock() + self._ttl_seconds
            place = Place(attachment, task.record.partition, download.sha256, expires_at)
            key = await self._put(place, self._render_version, rendition.webp)
            variants = tuple([await self._variant(place, variant) for variant in rendition.variants])
        preview = Preview(
            attachment=attachment,
            object_key=key,
            picture=picture_of(rendition, variants),
            expires_at=expires_at,
            timings=progress.timings(),
        )
        await self._hand_on(task, preview)

    async def _render(self, attachment: Attachment, download: Download) -> Rendition:
        answer = await self._renderer.render(
            download.data,
            file_name=attachment.file_name,
            declared_mime=attachment.mime_type or None,
            sha256=bytes.fromhex(download.sha256),
        )
        if not isinstance(answer, Rendition):
            raise Rejected(Reason(answer.verdict.value), answer.reason)
        return answer

    async def _variant(self, place: Place, variant: verdicts.Variant) -> Variant:
        """Store a further size, with an expiry row and a key of its own."""
        size = f"{variant.width_px}x{variant.height_px}"
        key = await self._put(place, f"{self._render_version}/{size}", variant.webp)
        return Variant(
            width_px=variant.width_px,
            height_px=variant.height_px,
            size_bytes=len(variant.webp),
            object_key=key,
            url=self._store.url(key, place.expires_at, self._clock()),
        )

    async def _put(self, place: Place, render_version: str, webp: bytes) -> str:
        """Store a picture, its expiry row first; returns its key.

        An erasure waits for the PUT, or the PUT for the erasure, and so do an expiry of the same object and the PUT.
        """
        key = object_key(self._key_secret, place.attachment, place.sha256, render_version)
        conversation_id = place.attachment.conversation_id
        async with self._conversations.locks.of(conversation_id):
            self._conversations.refuse_erased(place.partition, conversation_id)
            await self._remember_to_expire(place.attachment, place.partition, key, place.expires_at)
            await self._store.put(key, webp, content_type=CONTENT_TYPE, expires_at=place.expires_at)
        self._conversations.refuse_erased(place.partition, conversation_id)
        self._metrics.stored_bytes.inc(len(webp))
        return key

    async def _announce(self, task: Task[Attachment], attachment: Attachment) -> None:
        """Give another file of a message that named several an event of its own; it is replayed with the message."""
        key = attachment.conversation_id.encode()
        headers = [*handed_on(task.headers), *_replays(task)]
        await self._send(self._topics.attachments, key=key, value=encode(attachment), headers=headers)

    async def _remember_to_expire(self, attachment: Attachment, partition: int, key: str, expires_at: float) -> None:
        """Write the row that ends a preview: never sooner than an earlier post of it promised.

        That one may have been stored with a longer time to live, or by a clock that is ahead.
        """
        name = expiry_row(key)
        ends_at = max(expires_at, promised_until(self._due.get(partition, name)))
        command = Expire(
            event_id=attachment.event_id,
            conversation_id=attachment.conversation_id,
            object_key=key,
            expires_at=ends_at,
        )
        row = DueRow(
            due_at=ends_at,
            topic=self._topics.lifecycle,
            key=attachment.conversation_id.encode(),
            value=encode(command),
        )
        await self._due.put(partition, name, row)

    async def _hand_on(self, task: Task[Attachment], preview: Preview) -> None:
        attachment = preview.attachment
        stored = LifecycleRecord(
            event_id=attachment.event_id,
            conversation_id=attachment.conversation_id,
            object_key=preview.object_key,
            state="stored",
            at=self._clock(),
        )
        await self._results.lifecycle(stored, task.headers)
        # By key and not by partition: a foreign producer may have put the attachment anywhere.
        await self._send(
            self._topics.previews,
            key=attachment.conversation_id.encode(),
            value=encode(preview),
            headers=[
                *handed_on(task.headers),
                (EVENT_ID, attachment.event_id.encode()),
                *_replays(task),
                *task.delivery.renders_header(),
            ],
        )


def _replays(task: Task[Attachment]) -> RecordHeaders:
    """Let the link agent know of a replay: it looks before it posts."""
    replays = task.delivery.replays
    return [(REPLAYS, str(replays).encode())] if replays else []


def picture_of(rendition: Rendition, variants: tuple[Variant, ...] = ()) -> Picture:
    """Return what the messages say of a picture."""
    return Picture(
        width_px=rendition.width_px,
        height_px=rendition.height_px,
        size_bytes=len(rendition.webp),
        verdict=VERDICTS[rendition.verdict],
        source_format=rendition.format,
        engine=rendition.engine,
        frames=rendition.frames,
        placeholder=rendition.glimpse,
        note=rendition.note or "",
        variants=variants,
    )
