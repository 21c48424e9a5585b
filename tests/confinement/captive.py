"""An engine that has been taken over: it tries the deed that its file names, and tells how it went.

The file is `deed NAME ARGUMENT`.
"""

import ctypes
import os
import signal
from collections.abc import Callable, Mapping

from PIL import Image

from agents.rendering import engine, wire
from agents.rendering.picture import encoded
from agents.rendering.verdicts import Answer, Order, Refusal, Rendition, Verdict
from tests.confinement.deeds import DEEDS

CALL = b"deed "
HELD = "held: "
ESCAPED = "escaped: "
ENDLESS_CHUNK = bytes(1_000_000)

preload = engine.preload


def render(payload: bytes, order: Order) -> Answer:
    """Try the deed; anything that names none is rendered honestly."""
    if not payload.startswith(CALL):
        return engine.render(payload, order)
    name, argument = payload.removeprefix(CALL).decode().split(" ", 1)
    if name in OUTRAGES:
        return OUTRAGES[name](order)
    return _told(_outcome(name, argument), order)


def _outcome(name: str, argument: str) -> str:
    try:
        return ESCAPED + DEEDS[name](argument)
    except (OSError, MemoryError) as error:
        return HELD + (str(error) or type(error).__name__)


def _told(outcome: str, order: Order) -> Rendition:
    return _rendition(encoded(Image.new("RGB", (1, 1)), order.limits), 1, note=outcome)


def _rendition(webp: bytes, edge_px: int, note: str | None = None) -> Rendition:
    return Rendition(
        verdict=Verdict.RENDERED,
        webp=webp,
        width_px=edge_px,
        height_px=edge_px,
        format="webp",
        source_width=1,
        source_height=1,
        engine="captive",
        note=note,
    )


def _spin(_: Order) -> Answer:
    while True:
        pass


def _sleep(_: Order) -> Answer:
    while True:
        signal.pause()


def _segfault(_: Order) -> Answer:
    return Refusal(verdict=Verdict.CORRUPT, reason=str(ctypes.string_at(1)))


def _abort(_: Order) -> Answer:
    os.abort()


def _garbage(_: Order) -> Answer:
    wire.write_all(wire.ANSWERS_FD, os.urandom(64))
    return _sleep(_)


def _endless(_: Order) -> Answer:
    while True:
        wire.write_all(wire.ANSWERS_FD, ENDLESS_CHUNK)


def _slow_endless(order: Order) -> Answer:
    """Promise an answer that is allowed, and never stop."""
    wire.write_all(wire.ANSWERS_FD, wire.LENGTH.pack(order.limits.max_answer_bytes))
    return _endless(order)


def _huge(_: Order) -> Answer:
    """A picture whose canvas claims 30000 pixels."""
    claim = (30_000 - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + (10).to_bytes(4, "little") + bytes(4) + claim + claim
    body += b"VP8L" + (5).to_bytes(4, "little") + b"\x2f\xff\xff\xff\x0f\0"
    return _rendition(b"RIFF" + len(body).to_bytes(4, "little") + body, 30_000)


def _no_picture(_: Order) -> Answer:
    return _rendition(b"<script>alert(1)</script>", 300)


OUTRAGES: Mapping[str, Callable[[Order], Answer]] = {
    "spin": _spin,
    "sleep": _sleep,
    "segfault": _segfault,
    "abort": _abort,
    "garbage": _garbage,
    "endless": _endless,
    "slow-endless": _slow_endless,
    "huge-picture": _huge,
    "no-picture": _no_picture,
}
