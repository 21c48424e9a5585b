"""A rendering child: forked from the forkserver, limited, then one order after another until the parent hangs up.

It has no socket, no secret and no descriptor but its three; what it started dies with it, because it leads a
process group of its own that the forkserver kills as a whole.
"""

import ctypes
import os
import resource
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from math import ceil
from pathlib import Path
from typing import Final

import msgspec

from agents.rendering import wire
from agents.rendering.verdicts import Answer, Limits, Order, Refusal, Verdict

Render = Callable[[bytes, Order], Answer]

PR_SET_PDEATHSIG: Final = 1  # prctl(2)
PR_SET_NO_NEW_PRIVS: Final = 38
SCRATCH_MEMORY_BYTES: Final = 268_435_456  # for the copy of a PDF in memory that poppler reads
MARGIN_SECONDS: Final = 1.0  # the parent's deadline comes first; the alarm is for a parent that stands still
KIBIBYTE: Final = 1024
FAR_DESCRIPTOR: Final = 100  # beyond the places that the three are moved to


def main(render: Render, descriptors: Sequence[int], limits: Limits, *, may_exec: bool) -> None:
    """Turn this freshly forked process into a child and serve; returns when the parent hangs up."""
    _take_over(descriptors)
    confine(limits, may_exec=may_exec)
    wire.write_all(wire.ANSWERS_FD, wire.READY)
    while (order := wire.read_order(wire.ORDERS_FD)) is not None:
        _restart_clocks(order.limits)
        answer = _answer(render, order)
        signal.setitimer(signal.ITIMER_REAL, 0)
        wire.write_all(wire.ANSWERS_FD, wire.frame(answer))


def confine(limits: Limits, *, may_exec: bool) -> None:
    """Give up what a child does not need, before it sees the first byte of a file."""
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    with suppress(OSError):  # a wish, not a wall: the kernel should take a child before it takes the parent
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    _limit(resource.RLIMIT_AS, limits.memory_bytes)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, limits.open_files)
    _limit(resource.RLIMIT_FSIZE, SCRATCH_MEMORY_BYTES if may_exec else 0)


def prctl(option: int, value: int) -> None:
    """Set an attribute of this process, as the manual page of the same name tells; raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option}")


def _limit(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))


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


def _answer(render: Render, order: Order) -> Answer:
    started = time.process_time()
    answer = _rendered(render, order)
    return msgspec.structs.replace(
        answer,
        cpu_seconds=time.process_time() - started,
        peak_rss_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIBIBYTE,
    )


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
