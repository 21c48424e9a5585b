"""A rendering child: forked from the forkserver, limited, then one order after another until the parent hangs up.

It has no socket, no secret and no descriptor but its three; what it started dies with it, because it leads a
process group of its own that the forkserver kills as a whole.
"""

import os
import resource
import select
import signal
import time
from collections.abc import Callable, Sequence
from math import ceil
from typing import Final

import msgspec

from agents.rendering import wire
from agents.rendering.confinement import Surroundings, confine
from agents.rendering.meter import Meter
from agents.rendering.room import Room
from agents.rendering.sniff import HEAD_BYTES, sniff
from agents.rendering.verdicts import Answer, Limits, Order, Refusal, Verdict

Render = Callable[[bytes, Order], Answer]

MARGIN_SECONDS: Final = 1.0  # the parent's deadline comes first; the alarm is for a parent that stands still
PAUSE_MS: Final = 200
FAR_DESCRIPTOR: Final = 100  # beyond the places that the three are moved to


def main(
    render: Render, descriptors: Sequence[int], limits: Limits, surroundings: Surroundings, *, may_exec: bool
) -> None:
    """Turn this freshly forked process into a child and serve; returns when the parent hangs up."""
    _take_over(descriptors)
    meter = Meter()
    room = Room()
    layers = confine(limits, surroundings, may_exec=may_exec)
    wire.write_all(wire.ANSWERS_FD, wire.frame(wire.Ready(layers)))
    while (order := _next_order(room)) is not None:
        _restart_clocks(order.limits)
        room.assign(order.limits, sniff(os.pread(wire.PAYLOAD_FD, HEAD_BYTES, 0)).type)
        answer = _answer(render, order, meter)
        signal.setitimer(signal.ITIMER_REAL, 0)
        wire.write_all(wire.ANSWERS_FD, wire.frame(answer))


def _next_order(room: Room) -> Order | None:
    """Wait for an order, and use a pause for what would slow down the files on either side of it."""
    waiting = select.poll()
    waiting.register(wire.ORDERS_FD, select.POLLIN)
    if room.untidy() or not waiting.poll(PAUSE_MS):
        room.tidy()
    return wire.read_order(wire.ORDERS_FD)


def _take_over(descriptors: Sequence[int]) -> None:
    """Move the three descriptors to their places, close all others, and lead a process group of its own."""
    os.setpgid(0, 0)
    safe = [os.dup2(descriptor, FAR_DESCRIPTOR + index) for index, descriptor in enumerate(descriptors)]
    for target, descriptor in enumerate(safe, start=wire.ORDERS_FD):
        os.dup2(descriptor, target, inheritable=False)
    null = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(null, standard)
    os.closerange(wire.FIRST_UNUSED_FD, resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def _restart_clocks(limits: Limits) -> None:
    """Both limits are for one job: the CPU limit counts from what the process has used so far."""
    soft_seconds = ceil(time.process_time()) + limits.cpu_seconds
    resource.setrlimit(resource.RLIMIT_CPU, (soft_seconds, resource.getrlimit(resource.RLIMIT_CPU)[1]))
    signal.setitimer(signal.ITIMER_REAL, limits.wall_seconds + MARGIN_SECONDS)


def _answer(render: Render, order: Order, meter: Meter) -> Answer:
    meter.start()
    answer = _rendered(render, order)
    return msgspec.structs.replace(answer, cpu_seconds=meter.cpu_seconds(), peak_rss_bytes=meter.peak_rss_bytes())


def _rendered(render: Render, order: Order) -> Answer:
    """The edge of the child: what no engine foresaw is a verdict too, and names the exception for our logs."""
    try:
        return render(os.pread(wire.PAYLOAD_FD, order.size_bytes, 0), order)
    except MemoryError:
        return Refusal(verdict=Verdict.TOO_LARGE, reason="The file takes more memory than a preview may use.")
    except Exception as error:  # noqa: BLE001 - hostile bytes reach every line of three codecs
        return Refusal(
            verdict=Verdict.CRASHED,
            reason=f"The renderer failed on this file ({type(error).__name__}: {error!s:.200}).",
        )
