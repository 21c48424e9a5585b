"""An engine that does what a child taken over by a hostile file might do; runs in real, confined children.

The payload names the deed.
"""

import ctypes
import os
import signal
from collections.abc import Callable, Mapping

from agents.rendering import engine, wire
from agents.rendering.verdicts import Answer, Order, Refusal, Rendition, Verdict

preload = engine.preload


def render(payload: bytes, order: Order) -> Answer:
    """Do what the payload says; anything else is rendered honestly."""
    deed, _, argument = payload.partition(b" ")
    if deed == b"webp":
        return _rendition(argument, order)
    if deed in TELLING:
        return Refusal(verdict=Verdict.CORRUPT, reason=TELLING[deed]())
    if deed in DEEDS:
        DEEDS[deed](argument)
    return engine.render(payload, order)


def _spin(_: bytes) -> None:
    while True:
        pass


def _sleep(_: bytes) -> None:
    signal.pause()


def _segfault(_: bytes) -> None:
    ctypes.string_at(1)


def _garbage(_: bytes) -> None:
    wire.write_all(wire.ANSWERS_FD, os.urandom(64))


def _say(body: bytes) -> None:
    wire.write_all(wire.ANSWERS_FD, wire.LENGTH.pack(len(body)) + body)
    signal.pause()


def _allocate(_: bytes) -> None:
    bytearray(4_000_000_000)


def _raise(_: bytes) -> None:
    raise ConnectionError("nobody foresaw this")


def _rendition(webp: bytes, order: Order) -> Rendition:
    edge_px = order.limits.max_edge_px
    return Rendition(
        verdict=Verdict.RENDERED,
        webp=webp,
        width_px=edge_px,
        height_px=edge_px,
        format="webp",
        source_width=edge_px,
        source_height=edge_px,
        engine="saboteur",
    )


def _forked() -> str:
    pid = os.fork()
    if pid == 0:
        signal.pause()
    return str(pid)


DEEDS: Mapping[bytes, Callable[[bytes], None]] = {
    b"spin": _spin,
    b"sleep": _sleep,
    b"segfault": _segfault,
    b"garbage": _garbage,
    b"say": _say,
    b"allocate": _allocate,
    b"raise": _raise,
}
TELLING: Mapping[bytes, Callable[[], str]] = {b"fork": _forked}
