"""A rendering child as its parent sees it."""

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from agents.rendering import wire
from agents.rendering.layers import Layers
from agents.rendering.verdicts import Order

KIBIBYTE: Final = 1024
TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
CPU_FIELDS: Final = slice(11, 15)  # utime, stime, cutime, cstime, after the name, which may hold anything
READ_BYTES: Final = 1_048_576
# Pages that stay from file to file: fresh ones cost four times as much as the copy (1.2 against 0.25 ms for 3 MB).
KEPT_PAYLOAD_BYTES: Final = 4_194_304


class ChildDied(Exception):  # noqa: N818 - a state, like the tree in failures.py
    """A child ended before it answered."""


class ChildLeft(Exception):  # noqa: N818 - a state, like the tree in failures.py
    """A child had ended before it was given anything."""


class Child:
    """One child as the parent sees it: orders go in by a pipe, the file by shared memory, answers come by a pipe.

    The child's end of the memory is read-only, and no descriptor of one child is open in another.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, orders: int, answers: int, payload: int) -> None:
        self.pid = 0
        self.jobs_done = 0
        self.exited: asyncio.Future[wire.Exited] = loop.create_future()
        self._loop = loop
        self._orders = orders
        self._answers = answers
        self._payload = payload
        self._received = bytearray()
        self._answer: asyncio.Future[bytes] | None = loop.create_future()  # first, its Ready
        self._max_answer_bytes = wire.MAX_MESSAGE_BYTES
        self.broken = False
        os.set_blocking(orders, False)
        os.set_blocking(answers, False)
        loop.add_reader(answers, self._read)

    async def ready(self) -> Layers:
        """Wait until the child is confined; returns how far. Raises ChildDied or wire.Garbage."""
        assert self._answer is not None  # noqa: S101 - asked once, before any job
        body = await self._answer
        self._answer = None
        return wire.ready(body).layers

    async def ask(self, data: bytes, order: Order) -> bytes:
        """Hand over a file and wait for the body of the answer; raises ChildDied, ChildLeft or wire.Garbage.

        Whoever gives up waiting must end the child: it may still answer.
        """
        self._answer = self._loop.create_future()
        self._max_answer_bytes = order.limits.max_answer_bytes
        try:
            _fill(self._payload, data)
            try:
                os.write(self._orders, wire.frame(order))
            except (BrokenPipeError, BlockingIOError) as error:
                raise ChildLeft from error
            return await self._answer
        finally:
            self._answer = None
            if len(data) > KEPT_PAYLOAD_BYTES:
                os.ftruncate(self._payload, KEPT_PAYLOAD_BYTES)
            self.jobs_done += 1

    def peak_rss_bytes(self) -> int:
        """Return the most that the child has had resident in its last job, 0 when it is gone."""
        with suppress(OSError):
            status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii", errors="replace")
            lines = (line.split() for line in status.splitlines())
            return next((int(words[1]) * KIBIBYTE for words in lines if words[0] == "VmHWM:"), 0)
        return 0

    def cpu_seconds(self) -> float:
        """Return the CPU time that the child and the tools that it runs have had since it was forked."""
        with suppress(OSError):
            tools = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text(encoding="ascii").split()
            return sum(map(_cpu_seconds, [self.pid, *map(int, tools)]))
        return 0.0

    def close(self) -> None:
        """Hang up; an idle child ends by itself, a busy one must be killed."""
        self._loop.remove_reader(self._answers)
        for descriptor in (self._orders, self._answers, self._payload):
            os.close(descriptor)

    def _read(self) -> None:
        try:
            part = os.read(self._answers, READ_BYTES)
        except BlockingIOError:
            return
        self._received += part
        if not part:
            self._settle(ChildDied())
        elif self._answer is None:
            self._settle(wire.Garbage("spoke without being asked"))
        else:
            self._take_frame()

    def _take_frame(self) -> None:
        if len(self._received) < wire.LENGTH.size:
            return
        (length,) = wire.LENGTH.unpack_from(self._received)
        end = wire.LENGTH.size + length
        if length > self._max_answer_bytes or len(self._received) > end:
            self._settle(wire.Garbage("an answer longer than any of ours"))
        elif len(self._received) == end:
            body = bytes(self._received[wire.LENGTH.size :])
            self._received.clear()
            if self._answer is not None and not self._answer.done():
                self._answer.set_result(body)

    def _settle(self, error: Exception) -> None:
        self._loop.remove_reader(self._answers)
        self.broken = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)


def open_child(loop: asyncio.AbstractEventLoop) -> tuple[Child, tuple[int, int, int]]:
    """Open both ends of everything between the parent and a child."""
    their_orders, our_orders = os.pipe2(os.O_CLOEXEC)
    our_answers, their_answers = os.pipe2(os.O_CLOEXEC)
    our_payload = os.memfd_create("payload")
    their_payload = os.open(f"/proc/self/fd/{our_payload}", os.O_RDONLY | os.O_CLOEXEC)
    return Child(loop, our_orders, our_answers, our_payload), (their_orders, their_answers, their_payload)


def _cpu_seconds(pid: int) -> float:
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return sum(map(int, fields[CPU_FIELDS])) / TICKS_PER_SECOND
    return 0.0  # gone meanwhile


def _fill(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    written = 0
    while written < len(view):
        written += os.pwrite(descriptor, view[written:], written)
