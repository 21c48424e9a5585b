"""Every way in which the processing of a record can fail.

Failure
├── Retryable   a later attempt may succeed: delayed and tried again, then a dead letter
│   └── Ambiguous   the post may have been done: looked for before it is tried again
├── Rejected    the file's fault: the outcome `rejected(verdict)`, never tried again
├── Refused     ours to mend (undecodable, API refuses, retries exhausted): a dead letter
├── Postponed   this record must wait until a known time; no attempt is spent
└── Held        nobody's fault: the whole lane waits and no attempt is spent (rate limit, missing permission)

A failure carries a stable reason code, which goes into outcomes, dead letters, logs and metric labels,
and a message for people. It survives pickling with both.
"""

from enum import StrEnum
from typing import Self


class Reason(StrEnum):
    """Stable reason codes; published in docs/reasons.md, so a code is added but never renamed."""

    # Retryable
    SOURCE_UNREACHABLE = "source_unreachable"
    SOURCE_TIMEOUT = "source_timeout"
    SOURCE_UNAVAILABLE = "source_unavailable"
    RENDERER_UNAVAILABLE = "renderer_unavailable"
    STORAGE_UNAVAILABLE = "storage_unavailable"
    STORAGE_FULL = "storage_full"
    GENESYS_UNAVAILABLE = "genesys_unavailable"
    GENESYS_AMBIGUOUS = "genesys_ambiguous"
    # Retryable by the sender of a webhook, who is answered 503
    KAFKA_UNAVAILABLE = "kafka_unavailable"
    KAFKA_QUEUE_FULL = "kafka_queue_full"
    KAFKA_REFUSED = "kafka_refused"
    SPOOL_FULL = "spool_full"
    SHUTTING_DOWN = "shutting_down"
    # Rejected: the file or its source
    UNSUPPORTED = "unsupported"
    ENCRYPTED = "encrypted"
    TOO_LARGE = "too_large"
    BOMB = "bomb"
    CORRUPT = "corrupt"
    EMPTY = "empty"
    TIMEOUT = "timeout"
    CRASHED = "crashed"
    SOURCE_GONE = "source_gone"
    SOURCE_BLOCKED = "source_blocked"
    SOURCE_REFUSED = "source_refused"
    SOURCE_CHANGED = "source_changed"
    # Rejected: an order of the operator
    ERASED = "erased"
    # Refused
    UNDECODABLE = "undecodable"
    RECORD_TOO_LARGE = "record_too_large"
    RETRIES_EXHAUSTED = "retries_exhausted"
    GENESYS_REFUSED = "genesys_refused"
    CONVERSATION_CLOSED = "conversation_closed"
    STORAGE_REFUSED = "storage_refused"
    PREVIEW_MISSING = "preview_missing"
    POST_UNVERIFIED = "post_unverified"
    INTERNAL = "internal"
    # Postponed
    POST_UNCERTAIN = "post_uncertain"
    # Held
    RATE_LIMITED = "rate_limited"
    PERMISSION_MISSING = "permission_missing"
    CREDENTIALS_REFUSED = "credentials_refused"
    CIRCUIT_OPEN = "circuit_open"
    MEMBERSHIP_UNCERTAIN = "membership_uncertain"
    STORAGE_ACCESS_REFUSED = "storage_access_refused"
    PRESIGNED_EXPIRED = "presigned_expired"


class Stage(StrEnum):
    """Where on the way of an attachment something happened."""

    DECODE = "decode"
    DOWNLOAD = "download"
    RENDER = "render"
    STORE = "store"
    LINK = "link"
    LIFECYCLE = "lifecycle"


class Failure(Exception):  # noqa: N818 - the tree's own nouns read better than an Error suffix
    """A failure with a stable reason code and a message for people."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(reason, message)
        self.reason = reason
        self.message = message

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}"


class Retryable(Failure):
    """A later attempt may succeed; `retry_after_seconds` is the least delay that the other side asked for."""

    def __init__(self, reason: Reason, message: str, retry_after_seconds: float = 0.0) -> None:
        super().__init__(reason, message)
        self.args = (reason, message, retry_after_seconds)
        self.retry_after_seconds = retry_after_seconds


class Ambiguous(Retryable):
    """A post may have been done although its answer was lost; `kind`, one of few words, says how it was lost."""

    def __init__(self, message: str, kind: str, retry_after_seconds: float = 0.0) -> None:
        super().__init__(Reason.GENESYS_AMBIGUOUS, message, retry_after_seconds)
        self.args = (message, kind, retry_after_seconds)
        self.kind = kind


class Rejected(Failure):
    """The file's fault, or its source's: a permanent verdict, the outcome `rejected`."""


class Refused(Failure):
    """Ours to mend: the record becomes a dead letter, worth a replay once mended."""


class Postponed(Failure):
    """This record must wait until `until` (Unix seconds), which is no failed attempt."""

    def __init__(self, reason: Reason, message: str, until: float) -> None:
        super().__init__(reason, message)
        self.args = (reason, message, until)
        self.until = until


class Held(Failure):
    """The lane must wait `for_seconds` before any job of it starts again; the record keeps its attempt."""

    def __init__(self, reason: Reason, message: str, for_seconds: float) -> None:
        super().__init__(reason, message)
        self.args = (reason, message, for_seconds)
        self.for_seconds = for_seconds

    @classmethod
    def by_rate_limit(cls, for_seconds: float) -> Self:
        """Build the hold that a 429 asks for."""
        return cls(Reason.RATE_LIMITED, "Genesys asked to slow down", for_seconds)
