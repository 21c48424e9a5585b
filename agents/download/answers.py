"""What an HTTP answer means for the attachment: pure."""

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final

from agents.download.wire import Answer
from stream.failures import Failure, Reason, Rejected, Retryable

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
GONE: Final = frozenset({404, 410})
FORBIDDEN: Final = frozenset({401, 403})
TRANSIENT: Final = frozenset({408, 421, 425, 429})
MAX_RETRY_AFTER_SECONDS: Final = 3600.0  # a source may ask for a year; the file's address would not live that long
# S3 "Request has expired" and ExpiredToken (400 or 403), CloudFront AccessDenied, Azure SAS, Google ExpiredToken
_EXPIRED: Final = re.compile(
    rb"Request has expired|ExpiredToken|URL has expired|Signature not valid in the specified time frame", re.IGNORECASE
)


def redirect_location(answer: Answer) -> str | None:
    """Return where a redirect points, or None when the answer is final."""
    return answer.headers.get("location") if answer.status in REDIRECTS else None


def failure_of(answer: Answer, now: float) -> Failure | None:
    """Return what stands between this final answer and a file, or None when the body is the file."""
    status = answer.status
    if status in TRANSIENT or status >= 500:  # noqa: PLR2004 - the 5xx family
        after = retry_after_seconds(answer.headers, now)
        return Retryable(Reason.SOURCE_UNAVAILABLE, f"the source answered {status}", after)
    if status in (200, 203, 204):
        return None if answer.body else Rejected(Reason.EMPTY, "the file is empty")
    return _final(status, answer.body)


def _final(status: int, body: bytes) -> Rejected:
    if status in GONE:
        return Rejected(Reason.SOURCE_GONE, f"the source answered {status}: the file is no longer there")
    if _EXPIRED.search(body):
        return Rejected(Reason.SOURCE_GONE, f"the source answered {status}: the address of the file has expired")
    if status in FORBIDDEN:
        return Rejected(Reason.SOURCE_GONE, f"the source answered {status}: the address does not give access any more")
    return Rejected(Reason.SOURCE_REFUSED, f"the source answered {status}")


def retry_after_seconds(headers: Mapping[str, str], now: float) -> float:
    """Read Retry-After, in seconds or as a date (RFC 9110, 10.2.3); 0 when there is none."""
    text = headers.get("retry-after", "").strip()
    try:
        seconds = float(text) if text.isdecimal() else parsedate_to_datetime(text).timestamp() - now
    except (ValueError, OverflowError):
        return 0.0
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS)
