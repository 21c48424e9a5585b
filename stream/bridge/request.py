"""A request as ASGI tells of it."""

import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final

from msgspec import Struct

Message = MutableMapping[str, Any]
Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MAX_TRACE_BYTES: Final = 512  # what the W3C's Trace Context wants carried at least

_SANE_ID: Final = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:/+=@-]{0,127}")


class Request(Struct, frozen=True):
    """What is known before the body is read; header names are in lower case, `peer` is who opened the connection."""

    method: str
    path: str
    headers: Mapping[bytes, bytes]
    peer: str
    request_id: str
    tracestate: bytes

    @property
    def trace(self) -> tuple[str, str]:
        """The traceparent and the tracestate as they were received, empty where there is none worth reading."""
        return _text(self.headers.get(b"traceparent", b"")), _text(self.tracestate)


def request_of(scope: Scope, new_id: Callable[[], str]) -> Request:
    """Read the scope; the X-Request-Id is the sender's where it is sane, else a new one."""
    headers = dict(scope["headers"])
    client = scope.get("client")
    given = headers.get(b"x-request-id", b"")
    return Request(
        method=scope["method"],
        path=scope["path"],
        headers=headers,
        peer=client[0] if client else "",
        request_id=given.decode() if given and _SANE_ID.fullmatch(given) else new_id(),
        tracestate=_joined(scope, b"tracestate") if b"tracestate" in headers else b"",
    )


def new_request_id(bits: Callable[[int], int]) -> str:
    """Return an id that is new, and no secret."""
    return f"{bits(128):032x}"


def _joined(scope: Scope, wanted: bytes) -> bytes:
    return b",".join(value for name, value in scope["headers"] if name == wanted)


def _text(header: bytes) -> str:
    return header.decode() if len(header) <= MAX_TRACE_BYTES and header.isascii() else ""
