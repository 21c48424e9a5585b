"""One connection: sends a case and its canary, and reads answers until the end of the connection."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from tests.fuzz.cases import Case

READ_BYTES = 65_536
CANARY = b"GET /healthz HTTP/1.1\r\nHost: bridge\r\nX-Request-Id: canary\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True)
class Answer:
    """One answer as it was read; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def request_id(self) -> str:
        return self.headers.get("x-request-id", "")


class MalformedAnswerError(Exception):
    """What came is no HTTP."""


class HungError(Exception):
    """The connection neither ended nor brought anything in time."""


@dataclass(frozen=True)
class Exchange:
    """What came back; `cut` are bytes of an answer that did not come to its end."""

    answers: tuple[Answer, ...]
    cut: bytes


async def exchange(case: Case, port: int, source_address: str, limit_seconds: float) -> Exchange:
    """Send a case and read to the end.

    Plain sockets, because asyncio's streams drop what was received once a connection is reset.

    Raises:
        HungError: The end did not come within the limit.
        MalformedAnswerError: What came is no HTTP.
        OSError: The port takes no connection.
    """
    loop = asyncio.get_running_loop()
    with socket.socket() as connection:
        connection.setblocking(False)  # noqa: FBT003 - as it is there
        connection.bind((source_address, 0))
        await loop.sock_connect(connection, ("127.0.0.1", port))
        received = bytearray()
        try:
            async with asyncio.timeout(limit_seconds):
                await _talk(case, connection, received)
        except TimeoutError as error:
            raise HungError(f"no end within {limit_seconds:g} s, but {bytes(received[:100])!r}") from error
    return parsed(bytes(received))


async def _talk(case: Case, connection: socket.socket, received: bytearray) -> None:
    if case.leaves:
        await _send(case, connection)
        # Without lingering, what is unread and unsent goes, and the other side is told so by a reset.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return
    sending = asyncio.create_task(_send(case, connection))
    try:
        await _read(connection, received)
    finally:
        sending.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sending


async def _send(case: Case, connection: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    with contextlib.suppress(ConnectionError):  # refused half-way, with an answer or without
        for piece in case.pieces:
            await asyncio.sleep(case.pause_seconds)  # the pace of the sender is what is tried
            await loop.sock_sendall(connection, piece)
        if not case.leaves:
            await loop.sock_sendall(connection, CANARY)


async def _read(connection: socket.socket, received: bytearray) -> None:
    loop = asyncio.get_running_loop()
    with contextlib.suppress(ConnectionError):  # the bridge may end the connection while we still send
        while part := await loop.sock_recv(connection, READ_BYTES):
            received += part


def parsed(received: bytes) -> Exchange:
    """Cut what was received into answers."""
    answers: list[Answer] = []
    while received:
        head, found, rest = received.partition(b"\r\n\r\n")
        if not found:
            return Exchange(tuple(answers), received)
        status, headers = _head(head)
        length = 0 if status < 200 or _is_bare(rest) else int(headers.get("content-length", "0"))
        if len(rest) < length:
            return Exchange(tuple(answers), received)
        if status >= 200:  # 100 Continue is not an answer yet
            answers.append(Answer(status, headers, rest[:length]))
        received = rest[length:]
    return Exchange(tuple(answers), b"")


def _is_bare(rest: bytes) -> bool:
    """Tell whether an answer has no body, whatever its length says: it is one to HEAD."""
    return not rest or rest.startswith(b"HTTP/1.")


def _head(head: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = head.split(b"\r\n")
    version, _, rest = first.partition(b" ")
    if version not in {b"HTTP/1.1", b"HTTP/1.0"} or not rest[:3].isdigit():
        raise MalformedAnswerError(repr(first[:80]))
    pairs = (line.decode("latin-1").partition(":") for line in lines)
    return int(rest[:3]), {name.strip().lower(): value.strip() for name, _, value in pairs}
