"""What flows through the topics: versioned JSON, decoded and encoded by msgspec.

Field names are camelCase on the wire, as in the payloads of Genesys. Decoders accept unknown fields, so that a
newer producer never breaks an older consumer; a change of meaning gets a new `version`.
"""

import hashlib
from collections.abc import Callable
from typing import Annotated, Final, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct, field

SCHEMA_VERSION: Final = 1

MessageT = TypeVar("MessageT")

Text = Annotated[str, Meta(min_length=1)]
Identifier = Annotated[str, Meta(min_length=1, max_length=256)]
Seconds = Annotated[float, Meta(description="Unix time in seconds")]


class Attachment(Struct, frozen=True, kw_only=True, rename="camel"):
    """A file that a guest dropped into a conversation; the value of topic [attachments].

    Only `conversationId` and either `attachmentUrl` or `messageId` are required of a foreign producer: an absent
    `eventId` is computed by `event_id`.
    """

    version: Literal[1] = 1
    event_id: Annotated[str, Meta(max_length=256)] = ""
    conversation_id: Identifier
    attachment_url: Annotated[str, Meta(max_length=8192)] = ""
    file_name: Annotated[str, Meta(max_length=1024)] = ""
    mime_type: Annotated[str, Meta(max_length=256, description="As declared by the sender; never trusted")] = ""
    size_bytes: Annotated[int, Meta(ge=0)] | None = None
    sha256: Annotated[str, Meta(pattern="^[0-9a-fA-F]{64}$")] | None = None
    message_id: Identifier | None = None
    attachment_id: Identifier | None = None
    received_at: Seconds | None = None


class StageTimings(Struct, frozen=True, kw_only=True, rename="camel"):
    """Wall time in milliseconds that each stage took; None where it has not run."""

    queued_ms: float | None = None
    download_ms: float | None = None
    render_ms: float | None = None
    store_ms: float | None = None
    link_ms: float | None = None


class Variant(Struct, frozen=True, kw_only=True, rename="camel"):
    """A preview in a further size."""

    width_px: Annotated[int, Meta(ge=1)]
    height_px: Annotated[int, Meta(ge=1)]
    size_bytes: Annotated[int, Meta(ge=1)]
    object_key: Text
    url: Text


class Picture(Struct, frozen=True, kw_only=True, rename="camel"):
    """What is known of a rendered preview."""

    format: Literal["webp"] = "webp"
    width_px: Annotated[int, Meta(ge=1)]
    height_px: Annotated[int, Meta(ge=1)]
    size_bytes: Annotated[int, Meta(ge=1)]
    verdict: Annotated[
        Literal["rendered", "partial", "unsupported"],
        Meta(description="What became of the file; `unsupported` where the picture is a card in its place"),
    ] = "rendered"
    source_format: str = ""
    engine: str = ""
    frames: Annotated[int, Meta(ge=1, description="More than one where the preview is animated")] = 1
    placeholder: Annotated[
        str, Meta(description="Stands in until the preview is loaded: base64 of a ThumbHash, or a data URI")
    ] = ""
    note: Annotated[str, Meta(description="What is odd about the file, in words")] = ""
    variants: tuple[Variant, ...] = ()


class Preview(Struct, frozen=True, kw_only=True, rename="camel"):
    """A stored preview that waits to be posted; the value of topic [previews]."""

    version: Literal[1] = 1
    attachment: Attachment
    object_key: Text
    picture: Picture
    expires_at: Seconds
    timings: StageTimings = StageTimings()


class Expire(Struct, frozen=True, kw_only=True, rename="camel", tag_field="command", tag="expire"):
    """Delete a preview whose time has come."""

    version: Literal[1] = 1
    event_id: Identifier
    conversation_id: Identifier
    object_key: Text
    expires_at: Seconds


class Forget(Struct, frozen=True, kw_only=True, rename="camel", tag_field="command", tag="forget"):
    """Drop the `links` row of an event that can no longer be delivered again."""

    version: Literal[1] = 1
    event_id: Identifier


class Together(Struct, frozen=True, kw_only=True, rename="camel", tag_field="command", tag="together"):
    """Commands whose time has come at once: carried out as one, with one request to the storage."""

    version: Literal[1] = 1
    commands: Annotated[tuple[Expire | Forget, ...], Meta(min_length=1)]


class Order(Struct, frozen=True, kw_only=True, rename="camel", tag_field="command"):
    """What somebody wants done about all previews of a conversation; answered by a `ConversationRecord`.

    `orderId` is computed by `order_id` where the sender gives none. Carried out twice, an order changes nothing more.
    """

    version: Literal[1] = 1
    conversation_id: Identifier
    order_id: Annotated[str, Meta(max_length=256)] = ""
    by: Annotated[str, Meta(max_length=256, description="Who ordered it, for the audit")] = ""
    note: Annotated[str, Meta(max_length=1024, description="Why it was ordered, for the audit")] = ""
    ordered_at: Seconds | None = None


class Erase(Order, frozen=True, kw_only=True, tag="erase"):
    """Delete all previews of a conversation now, and let nothing of it be previewed or posted any more."""


class Hold(Order, frozen=True, kw_only=True, tag="hold"):
    """Keep all previews of a conversation past their time, until it is released."""


class Release(Order, frozen=True, kw_only=True, tag="release"):
    """End a hold: what is past its time expires now."""


class Lapse(Struct, frozen=True, kw_only=True, rename="camel", tag_field="command", tag="lapse"):
    """Drop what is remembered of an erased conversation, of which no record can come any more."""

    version: Literal[1] = 1
    conversation_id: Identifier


LifecycleCommand = Expire | Forget | Together | Erase | Hold | Release | Lapse


class Outcome(Struct, frozen=True, kw_only=True, rename="camel", tag_field="kind", tag="outcome"):
    """How an event ended; exactly one distinct one an event id, unless it became a dead letter."""

    version: Literal[1] = 1
    event_id: Identifier
    conversation_id: Identifier
    outcome: Literal["linked", "rejected"]
    verdict: Text
    reason: str = ""
    file_name: str = ""
    mime_type: str = ""
    preview_url: str | None = None
    picture: Picture | None = None
    message_id: str | None = None
    attempt: Annotated[int, Meta(ge=1)] = 1
    timings: StageTimings = StageTimings()
    finished_at: Seconds


class LifecycleRecord(Struct, frozen=True, kw_only=True, rename="camel", tag_field="kind", tag="lifecycle"):
    """What happened to a stored preview."""

    version: Literal[1] = 1
    event_id: Identifier
    conversation_id: Identifier
    object_key: Text
    state: Literal["stored", "expired", "erased"]
    at: Seconds


class ConversationRecord(Struct, frozen=True, kw_only=True, rename="camel", tag_field="kind", tag="conversation"):
    """What became of an order about a conversation; a copy has the same `orderId`."""

    version: Literal[1] = 1
    order_id: Identifier
    conversation_id: Identifier
    command: Literal["erase", "hold", "release"]
    state: Annotated[
        Literal["erased", "held", "released", "refused"],
        Meta(description="`refused` when a hold stands against an erasure, or an erasure against a hold or release"),
    ]
    previews: Annotated[int, Meta(ge=0, description="How many were deleted, are held, or were let go")] = 0
    reason: Annotated[str, Meta(description="Why it was refused, in words")] = ""
    by: str = ""
    note: str = ""
    at: Seconds


Result = Outcome | LifecycleRecord | ConversationRecord


class Origin(Struct, frozen=True, kw_only=True, rename="camel"):
    """Where a record was read."""

    topic: Text
    partition: Annotated[int, Meta(ge=0)]
    offset: Annotated[int, Meta(ge=0)]


class DeadLetter(Struct, frozen=True, kw_only=True, rename="camel"):
    """A record that is ours to mend; the value of topic [dead-letters]. Bytes are base64 in JSON."""

    version: Literal[1] = 1
    reason: Text
    stage: Text
    message: str
    origin: Origin
    attempt: Annotated[int, Meta(ge=1)]
    replays: Annotated[int, Meta(ge=0)] = 0
    first_at: Seconds
    last_at: Seconds
    event_id: str = ""
    key: bytes | None = None
    payload: bytes
    headers: dict[str, bytes] = field(default_factory=dict)


def dead_letter_key(letter: DeadLetter) -> bytes:
    """Return the key of a dead letter's own record, which no other letter has: its topic is compacted.

    A place alone is not enough: a topic that was made anew counts its offsets from 0 again.
    """
    origin = letter.origin
    return f"{origin.topic}:{origin.partition}:{origin.offset}@{letter.last_at!r}".encode()


def event_id(attachment: Attachment) -> str:
    """Return the event id, computed where the source gave none.

    sha256 over conversation id, address and file name (or message id where there is no address), as published in
    docs/messages.md, so that every producer and the bridge agree on it.
    """
    if attachment.event_id:
        return attachment.event_id
    source = attachment.attachment_url or f"message:{attachment.message_id}:{attachment.attachment_id}"
    material = f"{attachment.conversation_id}\0{source}\0{attachment.file_name}"
    return hashlib.sha256(material.encode()).hexdigest()


def order_id(order: Order) -> str:
    """Return the id of an order, computed where its sender gave none: the same order then has the same id."""
    if order.order_id:
        return order.order_id
    material = f"{type(order).__name__.lower()}\0{order.conversation_id}\0{order.ordered_at}\0{order.by}\0{order.note}"
    return hashlib.sha256(material.encode()).hexdigest()


def decoder(kind: type[MessageT]) -> Callable[[bytes], MessageT]:
    """Return a decoder that raises `msgspec.DecodeError`, and nothing else, for whatever bytes it is given."""
    decode = msgspec.json.Decoder(kind).decode

    def decoded(value: bytes) -> MessageT:
        try:
            return decode(value)
        except (UnicodeDecodeError, RecursionError) as error:  # text that is not UTF-8; thousands of brackets
            raise msgspec.DecodeError(str(error)) from error

    return decoded


encode = msgspec.json.Encoder().encode
decode_preview = decoder(Preview)
decode_lifecycle_command: Callable[[bytes], LifecycleCommand] = decoder(LifecycleCommand)  # type: ignore[arg-type]
decode_result: Callable[[bytes], Result] = decoder(Result)  # type: ignore[arg-type]
decode_dead_letter = decoder(DeadLetter)
_decode_attachment = decoder(Attachment)


def decode_attachment(value: bytes | None) -> Attachment:
    """Decode a record of [attachments], its event id filled in.

    Raises:
        msgspec.DecodeError: (or its subclass ValidationError) when the bytes are not an attachment.
    """
    attachment = _decode_attachment(value or b"")
    if not attachment.attachment_url and attachment.message_id is None:
        raise msgspec.ValidationError("Object has neither `attachmentUrl` nor `messageId`")
    return msgspec.structs.replace(attachment, event_id=event_id(attachment))
