"""Granian inside the bridge's own event loop: one process, whose end is ours to order."""

import asyncio
import math
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.embed import Server

MIN_BACKLOG: Final = 128  # what Granian takes at least
START_SECONDS: Final = 10.0
NATIVE_THREADS_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What connections may cost; `idle_seconds` are for a request's headers, and between two requests."""

    connections: int
    header_bytes: int
    idle_seconds: float


class HttpServer:
    """Serves an ASGI application on one port.

    Granian binds with SO_REUSEPORT and does not tell which port it got, so the port is held by a socket of ours, which
    never listens: 0 becomes a known port, and one that is in use is refused instead of being shared.
    """

    def __init__(self, app: Callable[..., Any], held: socket.socket, limits: ConnectionLimits) -> None:
        self._held = held
        self.host: str = held.getsockname()[0]
        self.port: int = held.getsockname()[1]
        self._server = Server(
            app,
            address=self.host,
            port=self.port,
            interface=Interfaces.ASGINL,
            http=HTTPModes.http1,
            websockets=False,
            backlog=max(MIN_BACKLOG, limits.connections),
            backpressure=limits.connections,
            http1_settings=HTTP1Settings(
                header_read_timeout=math.ceil(limits.idle_seconds * 1000), max_buffer_size=limits.header_bytes
            ),
            log_level=LogLevels.error,
            log_dictconfig={"handlers": {}, "loggers": {}},  # its lines go the way of all log lines
        )
        self._serving: asyncio.Task[None] | None = None

    @classmethod
    def bind(cls, app: Callable[..., Any], host: str, port: int, limits: ConnectionLimits) -> Self:
        """Take the port; raises OSError when that cannot be."""
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        held = socket.socket(family, kind, protocol)
        try:
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            held.bind(address)
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        except OSError:
            held.close()
            raise
        return cls(app, held, limits)

    async def start(self) -> None:
        """Return when the port accepts connections."""
        self._serving = asyncio.create_task(self._server.serve())
        async with asyncio.timeout(START_SECONDS):
            while not await self._accepts():
                if self._serving.done():
                    raise RuntimeError("Granian ended before it listened") from self._serving.exception()
                await asyncio.sleep(0.01)

    def stop(self) -> None:
        """Accept no more connections; requests in flight go on."""
        self._server.stop()  # type: ignore[no-untyped-call]

    async def ended(self) -> None:
        """Return when the server has ended, after `stop` with the last request in flight."""
        if self._serving is not None:
            await asyncio.shield(self._serving)
        self._held.close()

    async def _accepts(self) -> bool:
        with suppress(OSError):
            _, writer = await asyncio.open_connection(self._reachable_host, self.port)
            writer.close()
            return True
        return False

    @property
    def _reachable_host(self) -> str:
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - any address, from here


def await_native_threads() -> None:
    """Wait until the threads that Python does not know have ended.

    Granian's last thread still holds Python objects for an instant after its server has ended, and panics when the
    interpreter is taken down meanwhile. Where there is no /proc (macOS), the instant is not waited for.
    """
    deadline = time.monotonic() + NATIVE_THREADS_SECONDS
    while _native_threads() and time.monotonic() < deadline:
        time.sleep(0.001)


def _native_threads() -> set[int]:
    tasks = Path("/proc/self/task")
    known = {thread.native_id for thread in threading.enumerate()}
    return {int(task.name) for task in tasks.iterdir()} - known if tasks.is_dir() else set()
