"""The bodies of requests, read under limits of size, time, and memory for all of them together."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, NoReturn

from stream.bridge.answers import CLOSE
from stream.bridge.request import Message, Receive
from stream.refusals import RefusedRequestError, retry_after

NOT_BEGUN: Final[Message] = {"type": "http.request", "more_body": True}
READ_ON_BYTES: Final = 33_554_432
OVERLOADED_RETRY_AFTER_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """What a client may cost; `held_bytes` is what the unfinished bodies of all clients may hold together."""

    body_bytes: int
    seconds: float
    held_bytes: int


@dataclass(eq=False, slots=True)
class _Reading:
    """A body that is being read."""

    task: asyncio.Task[object]
    deadline: float
    is_overdue: bool = False

    def end(self) -> None:
        self.is_overdue = True
        self.task.cancel()


class Bodies:
    """Reads bodies and knows which are still being read.

    One timer for all of them costs a request 1 µs; `asyncio.timeout` costs it 5, a fifth of all that the bridge does.
    """

    def __init__(self, limits: BodyLimits) -> None:
        self._limits = limits
        self._readings: dict[_Reading, None] = {}  # oldest first
        self._timer: asyncio.TimerHandle | None = None
        self._held_bytes = 0

    async def read(self, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
        """Return the body of a request.

        Raises:
            RefusedRequestError: 408, 413, 503 when unfinished bodies hold too much memory, or 400 for a body that does
                not come to its end: the client went away, or its chunks are malformed, which looks the same from here.
        """
        declared = headers.get(b"content-length", b"0")
        too_large = declared.isdigit() and int(declared[:20]) > self._limits.body_bytes
        reading = self._begin()
        try:
            return await (self._read_on(receive, headers) if too_large else self._read(receive, headers))
        except asyncio.CancelledError as error:
            if not reading.is_overdue:
                raise
            reading.task.uncancel()
            raise (self._too_large() if too_large else _too_slow()) from error
        finally:
            del self._readings[reading]

    def stop(self) -> None:
        """End the reading of bodies that are not complete yet."""
        for reading in self._readings:
            if not reading.is_overdue:
                reading.end()

    def _begin(self) -> _Reading:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        if task is None:
            raise RuntimeError("a body is read within a task")
        reading = _Reading(task, loop.time() + self._limits.seconds)
        self._readings[reading] = None
        if self._timer is None:
            self._timer = loop.call_at(reading.deadline, self._end_overdue, loop)
        return reading

    def _end_overdue(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        self._timer = None
        for reading in self._readings:
            if reading.deadline > now:
                self._timer = loop.call_at(reading.deadline, self._end_overdue, loop)
                return
            if not reading.is_overdue:
                reading.end()

    async def _read(self, receive: Receive, headers: Mapping[bytes, bytes]) -> bytes:
        message = await receive()
        if message["type"] == "http.request" and not message.get("more_body", False):
            body: bytes = message.get("body", b"")
            if len(body) <= self._limits.body_bytes:
                return body
        parts: list[bytes] = []
        try:
            return await self._gather(parts, message, receive, headers)
        finally:
            self._held_bytes -= sum(map(len, parts))

    async def _gather(
        self, parts: list[bytes], message: Message, receive: Receive, headers: Mapping[bytes, bytes]
    ) -> bytes:
        left = self._limits.body_bytes
        while True:
            if message["type"] != "http.request":
                raise _incomplete()
            part = message.get("body", b"")
            left -= len(part)
            if left < 0:
                await self._read_on(receive, headers, message)
            parts.append(part)
            self._held_bytes += len(part)
            if not message.get("more_body", False):
                return b"".join(parts)
            if self._held_bytes > self._limits.held_bytes:
                raise self._overloaded()
            message = await receive()

    async def _read_on(
        self, receive: Receive, headers: Mapping[bytes, bytes], message: Message = NOT_BEGUN
    ) -> NoReturn:
        """Drop what comes, up to a limit, then refuse: a sender that listens last would find the connection broken."""
        left = 0 if b"expect" in headers else READ_ON_BYTES
        while left > 0 and message["type"] == "http.request" and message.get("more_body", False):
            message = await receive()
            left -= len(message.get("body", b""))
        raise self._too_large()

    def _too_large(self) -> RefusedRequestError:
        text = f"The body is larger than {self._limits.body_bytes} bytes"
        return RefusedRequestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", text)

    def _overloaded(self) -> RefusedRequestError:
        text, wait = "Too many bodies are being read", retry_after(OVERLOADED_RETRY_AFTER_SECONDS)
        return RefusedRequestError(HTTPStatus.SERVICE_UNAVAILABLE, "overloaded", text, wait, CLOSE)


def _too_slow() -> RefusedRequestError:
    return RefusedRequestError(HTTPStatus.REQUEST_TIMEOUT, "body_timeout", "The body came too slowly", CLOSE)


def _incomplete() -> RefusedRequestError:
    text = "The body did not come to its end, or its chunks are malformed"
    return RefusedRequestError(HTTPStatus.BAD_REQUEST, "incomplete_body", text, CLOSE)
