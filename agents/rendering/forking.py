"""The parent's side of the forkserver, which makes its children and buries them."""

import asyncio
import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import agents
from agents.rendering import wire
from agents.rendering.children import Child, ChildDied, open_child
from agents.rendering.layers import Requirement
from agents.rendering.verdicts import Limits

# All that a child can read of an environment. One malloc arena: children have one thread.
ENVIRONMENT: Final[Mapping[str, str]] = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "MALLOC_ARENA_MAX": "1",
}
FORK_SECONDS: Final = 30.0
GOODBYE_SECONDS: Final = 5.0


class ForkserverGone(Exception):  # noqa: N818 - a state, like the tree in failures.py
    """The forkserver died or could not fork: our trouble, not the file's."""


class Unconfined(ForkserverGone):
    """A child lacks layers of confinement without which it must not see a file; they are named."""


class Forkserver:
    """Starts the forkserver when the first child is wanted, and again should it ever die."""

    def __init__(self, engine_module: str, scratch: Path | None = None, requirement: Requirement | None = None) -> None:
        self._requirement = requirement or Requirement()
        self._engine_module = engine_module
        self._environment = {**ENVIRONMENT, "TMPDIR": str(scratch)} if scratch else dict(ENVIRONMENT)
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._forking: deque[asyncio.Future[wire.Forked]] = deque()
        self._children: dict[int, Child] = {}

    @property
    def pid(self) -> int | None:
        """The forkserver's process id, None while there is none."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Execute the forkserver unless it runs; does not wait until it has loaded its codecs."""
        if self._socket is not None:
            return
        if self._process is not None:  # it died: bury it before the next one
            self._process.kill()
            self._process.wait()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, "-s", "-m", "agents.rendering.forkserver", str(theirs.fileno())]
            self._process = subprocess.Popen(  # noqa: S603 - our own module in our own interpreter
                [*command, self._engine_module],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=self._environment,
                cwd=Path(agents.__file__).parents[1],
                pass_fds=(theirs.fileno(),),
            )
        ours.settimeout(0)
        self._socket = ours
        asyncio.get_running_loop().add_reader(ours, self._read, ours)

    @property
    def living(self) -> int:
        """Return how many children live, as far as is known."""
        return len(self._children)

    async def fork(self, limits: Limits, *, may_exec: bool) -> Child:
        """Return a new child, confined as required; raises ForkserverGone, Unconfined among them."""
        self.start()
        loop = asyncio.get_running_loop()
        child, theirs = open_child(loop)
        reply: asyncio.Future[wire.Forked] = loop.create_future()
        try:
            self._send(wire.Fork(limits, may_exec), theirs)
            self._forking.append(reply)
            async with asyncio.timeout(FORK_SECONDS):
                forked = await reply
        except BaseException as error:
            child.close()
            if isinstance(error, TimeoutError | OSError):
                raise ForkserverGone("the forkserver does not answer") from error
            raise
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        if not forked.pid:
            child.close()
            raise ForkserverGone(forked.error)
        child.pid = forked.pid
        self._children[forked.pid] = child
        await self._until_ready(child)
        return child

    def retire(self, child: Child) -> None:
        """End a child, whatever it is doing."""
        child.close()
        with suppress(OSError, ForkserverGone):  # without a forkserver the kernel has killed its children
            self._send(wire.Kill(child.pid), ())

    async def _until_ready(self, child: Child) -> None:
        try:
            async with asyncio.timeout(FORK_SECONDS):
                unmet = self._requirement.unmet(await child.ready())
            if unmet:
                raise Unconfined(unmet)  # noqa: TRY301 - ends the child like any other failure
        except BaseException as error:
            self.retire(child)
            if isinstance(error, TimeoutError | ChildDied | wire.Garbage):
                raise ForkserverGone("a child ended before its first job") from error
            raise

    async def close(self) -> None:
        """End the forkserver and with it every child; waits until it is gone."""
        process = self._process
        self._lose_connection()
        if process is not None:
            await asyncio.to_thread(_wait, process)
            self._process = None

    def _send(self, request: wire.Fork | wire.Kill, descriptors: tuple[int, ...]) -> None:
        if self._socket is None:
            raise ForkserverGone("there is no forkserver")
        socket.send_fds(self._socket, [wire.message(request)], descriptors)

    def _read(self, connection: socket.socket) -> None:
        try:
            data = connection.recv(wire.MAX_MESSAGE_BYTES)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        if not data:
            self._lose_connection()
            return
        report = wire.report(data)
        if isinstance(report, wire.Exited):
            child = self._children.pop(report.pid, None)
            if child is not None and not child.exited.done():
                child.exited.set_result(report)
        else:
            self._welcome(report)

    def _welcome(self, report: wire.Forked) -> None:
        reply = self._forking.popleft()
        if not reply.done():
            reply.set_result(report)
        elif report.pid:  # nobody waits any more
            self._send(wire.Kill(report.pid), ())

    def _lose_connection(self) -> None:
        if self._socket is None:
            return
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        self._socket = None
        for reply in self._forking:
            if not reply.done():
                reply.set_exception(ForkserverGone("the forkserver died"))
        self._forking.clear()
        for child in self._children.values():
            child.broken = True
            child.exited.cancel()
        self._children.clear()


def _wait(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(GOODBYE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
