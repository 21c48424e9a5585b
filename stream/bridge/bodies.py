"""The bodies of requests, read under limits of size, time, and memory for all of them together."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, NoReturn

from stream.bridge.request import Message, Receive
from stream.refusals import RefusedRequestError, retry_after

NOT_BEGUN: Final[Message] = {"type": "http.request", "more_body": True}
READ_ON_BYTES: Final = 33_554_432
OVERLOADED_RETRY_AFTER_SECONDS: Final = 1.0


class DisconnectedError(Exception):
    """The client went away before its body was complete; nobody waits for an answer."""


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """What a client may cost; `held_bytes` is what the unfinished bodies of all clients may hold together."""

    body_bytes: int
    seconds: float
    held_bytes: int


class Bodies:
    """Reads bodies and knows which are still being read."""

    def __init__(self, limits: BodyLimits) -> None:
        self._limits = limits
        self._reading: set[asyncio.Timeout] = set()
        self._held_bytes = 0

    async def read(self, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
        """Return the body of a request.

        Raises:
            RefusedRequestError: 408, 413, or 503 when unfinished bodies hold too much memory.
            DisconnectedError: The client went away.
        """
        declared = headers.get(b"content-length", b"0")
        too_large = declared.isdigit() and int(declared[:20]) > self._limits.body_bytes
        try:
            async with asyncio.timeout(self._limits.seconds) as timeout:
                self._reading.add(timeout)
                try:
                    return await (self._read_on(receive, headers) if too_large else self._read(receive, headers))
                finally:
                    self._reading.discard(timeout)
        except TimeoutError as error:
            if too_large:
                raise self._too_large() from error
            raise RefusedRequestError(HTTPStatus.REQUEST_TIMEOUT, "body_timeout", "The body came too slowly") from error

    def stop(self) -> None:
        """End the reading of bodies that are not complete yet."""
        for timeout in self._reading:
            if not timeout.expired():
                timeout.reschedule(0)  # a moment of the loop's clock that has passed

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
                raise DisconnectedError
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
        return RefusedRequestError(HTTPStatus.SERVICE_UNAVAILABLE, "overloaded", text, wait)
