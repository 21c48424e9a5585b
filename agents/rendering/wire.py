"""What parent, forkserver and children say to each other, and how much of it is believed.

Nothing here is pickled: what a child sends is decoded into typed values and checked, never executed.
"""

import os
import struct
from typing import Final

import msgspec
from msgspec import Struct

from agents.rendering.layers import Layers
from agents.rendering.verdicts import (
    PICTURED_VERDICTS,
    RENDERED_VERDICTS,
    Answer,
    Limits,
    Order,
    Refusal,
    Rendition,
    Variant,
    Verdict,
)
from agents.rendering.webp import animated_size, webp_size

# The only descriptors a child has beside its null standard streams.
ORDERS_FD: Final = 3
ANSWERS_FD: Final = 4
PAYLOAD_FD: Final = 5
FIRST_UNUSED_FD: Final = 6

LENGTH: Final = struct.Struct("<I")
MAX_MESSAGE_BYTES: Final = 65_536
MAX_TEXT_CHARACTERS: Final = 2_000


class Fork(Struct, frozen=True, tag=True):
    """Parent to forkserver, with three descriptors: make a child; `may_exec` for the tools that need it."""

    limits: Limits
    may_exec: bool


class Kill(Struct, frozen=True, tag=True):
    """Parent to forkserver: end a child and whatever it started."""

    pid: int


class Forked(Struct, frozen=True, tag=True):
    """Forkserver to parent, one for each Fork in the same order; pid 0 when the system refused."""

    pid: int
    error: str = ""


class Exited(Struct, frozen=True, tag=True):
    """Forkserver to parent: a child is gone; `signal` is 0 when it ended by itself."""

    pid: int
    signal: int
    peak_rss_bytes: int


class Ready(Struct, frozen=True):
    """A child's first word, before it has seen a file: each layer of its confinement, and why it is not in force."""

    layers: Layers


class Garbage(Exception):  # noqa: N818 - a state, like the tree in failures.py
    """A child answered with something no honest child would send."""


_encoder = msgspec.msgpack.Encoder()
_answers: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Rendition | Refusal)
_orders = msgspec.msgpack.Decoder(Order)
_readies = msgspec.msgpack.Decoder(Ready)
_requests: msgspec.msgpack.Decoder[Fork | Kill] = msgspec.msgpack.Decoder(Fork | Kill)
_reports: msgspec.msgpack.Decoder[Forked | Exited] = msgspec.msgpack.Decoder(Forked | Exited)


def message(value: Fork | Kill | Forked | Exited) -> bytes:
    """Encode what travels between parent and forkserver, one packet each."""
    return _encoder.encode(value)


def request(data: bytes) -> Fork | Kill:
    """Decode what the parent asks of the forkserver."""
    return _requests.decode(data)


def report(data: bytes) -> Forked | Exited:
    """Decode what the forkserver tells the parent."""
    return _reports.decode(data)


def frame(value: Order | Answer | Ready) -> bytes:
    """Encode with a length in front."""
    body = _encoder.encode(value)
    return LENGTH.pack(len(body)) + body


def ready(body: bytes) -> Ready:
    """Decode a child's first word; raises Garbage."""
    try:
        return _readies.decode(body)
    except msgspec.DecodeError as error:
        raise Garbage("a first word that is none of ours") from error


def read_order(descriptor: int) -> Order | None:
    """Read one order, blocking; None at the end of the stream, which is the parent's way to say goodbye."""
    head = _read_exactly(descriptor, LENGTH.size)
    if not head:
        return None
    return _orders.decode(_read_exactly(descriptor, LENGTH.unpack(head)[0]))


def write_all(descriptor: int, data: bytes) -> None:
    """Write everything, blocking."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def checked_answer(body: bytes, limits: Limits) -> Answer:
    """Decode a child's answer and check everything it claims; raises Garbage."""
    try:
        answer = _answers.decode(body)
    except msgspec.DecodeError as error:
        raise Garbage("not a message of ours") from error
    if isinstance(answer, Refusal):
        return _checked_refusal(answer)
    return _checked_rendition(answer, limits)


def _checked_refusal(answer: Refusal) -> Refusal:
    if answer.verdict in RENDERED_VERDICTS:
        raise Garbage("a refusal that claims a picture")
    if len(answer.reason) > MAX_TEXT_CHARACTERS:
        raise Garbage("a reason longer than any of ours")
    return answer


def _checked_rendition(answer: Rendition, limits: Limits) -> Rendition:
    if answer.verdict not in PICTURED_VERDICTS or (answer.verdict is Verdict.UNSUPPORTED and not limits.options.cards):
        raise Garbage("a picture that claims a refusal")
    _check_picture(answer, limits.max_edge_px, answer.frames, limits)
    if len(answer.variants) != len(limits.options.extra_edges_px):
        raise Garbage("not the sizes that were asked for")
    for variant, edge_px in zip(answer.variants, limits.options.extra_edges_px, strict=True):
        _check_picture(variant, edge_px, 1, limits)
    if max(map(len, (answer.engine, answer.format, answer.note or "", answer.glimpse))) > MAX_TEXT_CHARACTERS:
        raise Garbage("a text longer than any of ours")
    return answer


def _check_picture(picture: Rendition | Variant, edge_px: int, frames: int, limits: Limits) -> None:
    if frames != 1 and not 1 < frames <= limits.options.animation_frames:
        raise Garbage(f"an animation of {frames} frames")
    try:
        size_px = webp_size(picture.webp) if frames == 1 else animated_size(picture.webp, frames)
    except (ValueError, IndexError) as error:
        raise Garbage("not a WebP") from error
    if size_px != (picture.width_px, picture.height_px) or not 0 < min(size_px) <= max(size_px) <= edge_px:
        raise Garbage(f"a picture of {size_px[0]} x {size_px[1]} pixels")


def _read_exactly(descriptor: int, size_bytes: int) -> bytes:
    parts = bytearray()
    while len(parts) < size_bytes:
        part = os.read(descriptor, size_bytes - len(parts))
        if not part:
            return b""
        parts += part
    return bytes(parts)
