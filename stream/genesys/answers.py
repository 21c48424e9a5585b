"""What an answer of Genesys, or the lack of one, means for the attachment; pure."""

import json
import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

from urllib3.exceptions import ConnectTimeoutError, EmptyPoolError, HTTPError, NewConnectionError, ReadTimeoutError

from stream.failures import Ambiguous, Failure, Held, Reason, Refused, Rejected, Retryable
from stream.genesys.calls import GET_DOWNLOAD, TOKEN, Call

DEFAULT_RETRY_AFTER_SECONDS: Final = 10.0
LEAST_RETRY_AFTER_SECONDS: Final = 1.0
MOST_RETRY_AFTER_SECONDS: Final = 300.0
CREDENTIALS_SECONDS: Final = 30.0
PERMISSION_SECONDS: Final = 20.0  # what was mended is found soon, and eight posts a look are a tenth of the rate
LOGGED_CHARACTERS: Final = 500
NOT_SENT: Final = (NewConnectionError, ConnectTimeoutError, EmptyPoolError)
GONE: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.GONE)
PERMISSION: Final = re.compile(r"\b[a-zA-Z]+(?::[a-zA-Z0-9*]+){2,}\b")
CREDENTIALS: Final = re.compile(r"(?i)\b(bearer|basic)(\s+)[\w.~+/=-]+")
QUOTED_SECRETS: Final = re.compile(
    r"""(?i)(["'](?:access_token|refresh_token|client_secret|authorization|password)["']\s*:\s*["'])[^"']+"""
)
SECRET_PARAMETERS: Final = re.compile(
    r"""(?i)\b((?:x-amz-(?:signature|credential|security-token)|access_token|client_secret|signature|token)=)[^&\s"'<]+"""
)


def failure_of_status(call: Call, status: int, headers: Mapping[str, str], body: str) -> Failure:
    """Return the failure that an answer outside 200-205 stands for."""
    said = _said(call, status, body)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Held.by_rate_limit(_retry_after_seconds(headers) or _reset_seconds(headers))
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.REQUEST_TIMEOUT:
        return _unavailable(call, status, headers, said)
    if call is TOKEN:
        return Held(Reason.CREDENTIALS_REFUSED, f"the OAuth client is refused: {said}", CREDENTIALS_SECONDS)
    return _refusal(call, status, body, said)


def failure_of_transport(call: Call, error: HTTPError) -> Failure:
    """Return the failure that a missing answer stands for."""
    message = f"{call.name}: {type(error).__name__}"
    if call.commits and not isinstance(error, NOT_SENT):
        return Ambiguous(f"{message}; it may have been done", lost_by(error))
    return Retryable(Reason.GENESYS_UNAVAILABLE, message)


def lost_by(error: HTTPError) -> str:
    """Return how an answer was lost: "timeout" or "dropped"."""
    connecting = isinstance(error, ConnectTimeoutError) and not isinstance(error, NewConnectionError)
    return "timeout" if connecting or isinstance(error, ReadTimeoutError) else "dropped"


def redacted(body: str, secrets: Iterable[str] = ()) -> str:
    """Return the beginning of a body for the log, without tokens, signatures and the `secrets` given."""
    for secret in secrets:
        body = body.replace(secret, "***") if secret else body
    shown = CREDENTIALS.sub(r"\1\2***", body)
    shown = SECRET_PARAMETERS.sub(r"\1***", QUOTED_SECRETS.sub(r"\1***", shown))
    return shown if len(shown) <= LOGGED_CHARACTERS else shown[:LOGGED_CHARACTERS] + "…"


def _unavailable(call: Call, status: int, headers: Mapping[str, str], said: str) -> Failure:
    retry_after_seconds = _retry_after_seconds(headers)
    refused_unread = status == HTTPStatus.SERVICE_UNAVAILABLE and retry_after_seconds is not None
    if call.commits and not refused_unread:
        kind = "timeout" if status == HTTPStatus.REQUEST_TIMEOUT else "server_error"
        return Ambiguous(f"{said}; it may have been done", kind, retry_after_seconds or 0.0)
    return Retryable(Reason.GENESYS_UNAVAILABLE, said, retry_after_seconds or 0.0)


def _refusal(call: Call, status: int, body: str, said: str) -> Failure:
    if status == HTTPStatus.UNAUTHORIZED:
        return Held(Reason.CREDENTIALS_REFUSED, f"a new token is refused as well: {said}", CREDENTIALS_SECONDS)
    if status == HTTPStatus.FORBIDDEN:
        return Held(Reason.PERMISSION_MISSING, _missing_permission(call, body), PERMISSION_SECONDS)
    return _gone(call, said) if status in GONE else Refused(Reason.GENESYS_REFUSED, said)


def _gone(call: Call, said: str) -> Failure:
    if call is GET_DOWNLOAD:
        return Rejected(Reason.SOURCE_GONE, said)
    return Refused(Reason.CONVERSATION_CLOSED, said)


def _retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Genesys sends seconds; the other form of the header, a date, counts as the default."""
    value = headers.get("Retry-After")
    if value is None:
        return None
    return _bounded(value)


def _reset_seconds(headers: Mapping[str, str]) -> float:
    return _bounded(headers.get("inin-ratelimit-reset", ""))


def _bounded(value: str) -> float:
    seconds = float(value) if re.fullmatch(r"\d{1,9}(\.\d+)?", value.strip()) else DEFAULT_RETRY_AFTER_SECONDS
    return min(max(seconds, LEAST_RETRY_AFTER_SECONDS), MOST_RETRY_AFTER_SECONDS)


def _missing_permission(call: Call, body: str) -> str:
    error = _error(body)
    texts = (error.get("messageWithParams"), error.get("message"), json.dumps(error.get("messageParams", {})))
    named = sorted({name for text in texts if isinstance(text, str) for name in PERMISSION.findall(text)})
    permission = ", ".join(named) or call.permission
    if permission:
        return f"{call.name} needs the permission {permission}; see docs/genesys.md"
    return f"{call.name} is forbidden: the OAuth client's role lacks the conversation's division; see docs/genesys.md"


def _said(call: Call, status: int, body: str) -> str:
    error = _error(body)
    what = error.get("code") or error.get("error") or ""
    why = error.get("message") or error.get("description") or error.get("error_description") or ""
    context = error.get("contextId")
    text = " ".join(str(part) for part in (call.name, "answered", status, what, why) if part)
    return redacted(f"{text} (contextId {context})" if context else text)


def _error(body: str) -> dict[str, Any]:
    try:
        error = json.loads(body)
    except ValueError:
        return {}
    return error if isinstance(error, dict) else {}
