"""HTTP answers of the bridge; errors are problem details (RFC 9457)."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

from stream.failures import Retryable
from stream.messages import Attachment
from stream.refusals import Header, RefusedRequestError, retry_after
from stream.sources.body import Ignored as IgnoredEvent

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


class Queued(Struct, frozen=True, rename="camel", tag_field="status", tag="queued"):
    """The body of 202: `eventIds` lists the events where there is more than one, the first again among them."""

    event_id: str
    event_ids: tuple[str, ...] | UnsetType = UNSET


class Ignored(Struct, frozen=True, tag_field="status", tag="ignored"):
    """The body of 200: a well-formed event that brings nothing for us."""

    reason: str


def queued(attachments: Sequence[Attachment]) -> Answer:
    """Tell that Kafka holds the events."""
    first = attachments[0].event_id
    several = len(attachments) > 1
    body = Queued(first, tuple(attachment.event_id for attachment in attachments)) if several else Queued(first)
    return Answer(HTTPStatus.ACCEPTED, msgspec.json.encode(body), events=attachments)


def ignored(event: IgnoredEvent) -> Answer:
    """Tell that the event is well-formed and not for us."""
    return Answer(HTTPStatus.OK, msgspec.json.encode(Ignored(event.reason)), code=event.reason)


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
