"""HTTP answers of the bridge."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import msgspec

from stream.failures import Retryable
from stream.webhook import Ignored, MalformedError

Header = tuple[bytes, bytes]

JSON: Final = b"application/json"
# The rest of the body is not read, so the connection cannot carry another request.
CLOSE: Final[Header] = (b"connection", b"close")


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, body and headers, the length among them."""

    status: int
    body: bytes
    content_type: bytes = JSON
    headers: tuple[Header, ...] = ()

    def all_headers(self) -> list[Header]:
        """Return the headers as ASGI wants them."""
        length = str(len(self.body)).encode()
        return [(b"content-type", self.content_type), (b"content-length", length), *self.headers]


def queued(event_ids: Sequence[str]) -> Answer:
    """Tell that Kafka holds the events; `eventIds` lists them where there is more than one."""
    body: dict[str, Any] = {"status": "queued", "eventId": event_ids[0]}
    if len(event_ids) > 1:
        body["eventIds"] = list(event_ids)
    return Answer(HTTPStatus.ACCEPTED, msgspec.json.encode(body))


def ignored(event: Ignored) -> Answer:
    """Tell that the event is well-formed and not for us."""
    return Answer(HTTPStatus.OK, msgspec.json.encode({"status": "ignored", "reason": event.reason}))


def malformed(error: MalformedError) -> Answer:
    """Tell what the sender did wrong."""
    return failed(error.status, error.code, error.message)


def unavailable(failure: Retryable) -> Answer:
    """Ask the sender to try again."""
    seconds = str(max(1, math.ceil(failure.retry_after_seconds))).encode()
    return failed(HTTPStatus.SERVICE_UNAVAILABLE, failure.reason, failure.message, headers=((b"retry-after", seconds),))


def failed(status: int, code: str, message: str, *, headers: tuple[Header, ...] = ()) -> Answer:
    """Tell that nothing was queued: a stable code, and a message for people."""
    return Answer(status, msgspec.json.encode({"error": {"code": code, "message": message}}), headers=headers)
