"""HTTP answers of the bridge; errors are problem details (RFC 9457)."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec
from msgspec import Struct

from stream.failures import Retryable
from stream.messages import Attachment
from stream.refusals import Header, RefusedRequestError, retry_after
from stream.sources.body import Ignored

JSON: Final = b"application/json"
PROBLEM: Final = b"application/problem+json"
# The rest of the body is not read, or the process ends: the connection is not to carry another request.
CLOSE: Final[Header] = (b"connection", b"close")


class Answer(Struct, frozen=True):
    """Status, body and headers; `code`, `why` and the events are for the access log."""

    status: int
    body: bytes
    content_type: bytes = JSON
    headers: tuple[Header, ...] = ()
    code: str = ""
    why: str = ""
    events: Sequence[Attachment] = ()

    def all_headers(self, *more: Header) -> list[Header]:
        """Return the headers as ASGI wants them, the length among them."""
        length = b"%d" % len(self.body)
        return [(b"content-type", self.content_type), (b"content-length", length), *self.headers, *more]


class Problem(Struct, frozen=True):
    """The body of an error (RFC 9457): `code` is stable, `title` means the status, `detail` says what was wrong."""

    title: str
    status: int
    detail: str
    code: str
    type: str = "about:blank"  # the title is that of the status, and `code` says more


def queued(attachments: Sequence[Attachment]) -> Answer:
    """Tell that Kafka holds the events; `eventIds` lists them where there is more than one."""
    body: dict[str, Any] = {"status": "queued", "eventId": attachments[0].event_id}
    if len(attachments) > 1:
        body["eventIds"] = [attachment.event_id for attachment in attachments]
    return Answer(HTTPStatus.ACCEPTED, msgspec.json.encode(body), events=attachments)


def ignored(event: Ignored) -> Answer:
    """Tell that the event is well-formed and not for us."""
    body = msgspec.json.encode({"status": "ignored", "reason": event.reason})
    return Answer(HTTPStatus.OK, body, code=event.reason)


def refused(error: RefusedRequestError) -> Answer:
    """Tell what the sender did wrong."""
    return failed(error.status, error.code, error.message, *error.headers)


def unavailable(failure: Retryable) -> Answer:
    """Ask the sender to try again."""
    wait = retry_after(failure.retry_after_seconds)
    return failed(HTTPStatus.SERVICE_UNAVAILABLE, failure.reason, failure.message, wait)


def failed(status: int, code: str, message: str, *headers: Header) -> Answer:
    """Tell that nothing was queued: a stable code, and a sentence for people."""
    problem = Problem(title=HTTPStatus(status).phrase, status=status, detail=message, code=code)
    return Answer(status, msgspec.json.encode(problem), content_type=PROBLEM, headers=headers, code=code, why=message)
