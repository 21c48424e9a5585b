"""Previews on a CDN behind a presigned PUT address: the tutorial's way."""

import re
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qs, urlsplit

from urllib3 import BaseHTTPResponse, PoolManager

from agents.storage.store import object_headers
from agents.storage.threads import StorageThreads
from agents.storage.verdicts import HOLD_SECONDS, failure_of_answer
from stream.failures import Failure, Held, Reason

_CODE: Final = re.compile(rb"<Code>(\w{1,60})</Code>")
_EXPIRED: Final = re.compile(
    rb"Request has expired|ExpiredToken|URL has expired|in the specified time frame", re.IGNORECASE
)
_GONE: Final = frozenset({404, 410})
_HIDDEN: Final = frozenset({401, 403, 405, 501})  # the public side does not answer HEAD


class PresignedStore:
    """Objects behind one address with `{key}`, signed for PUT alone; the public address is the part before `?`.

    Such an address can neither delete nor list. What can be done is done: `delete` overwrites the picture with nothing
    and forbids caches to keep it, and an empty object counts as absent; its name stays until the CDN's own rule removes
    it. When the address itself has expired, the lane is held with reason `presigned_expired`, for that is true of every
    object and only a new setting mends it.
    """

    def __init__(
        self,
        template: str,
        *,
        http: PoolManager,
        threads: StorageThreads,
        acl: str = "",
        now: Callable[[], float] = time.time,
    ) -> None:
        """Take the address and the client; nothing is asked yet.

        Args:
            template: The address with `{key}`.
            http: Must not retry nor follow redirects, and hold a connection a thread.
            threads: Shared by nobody else.
            acl: Header x-amz-acl, "" for none. S3 accepts it only when the address was signed with it.
            now: Unix seconds.
        """
        self._template = template
        self._http = http
        self._threads = threads
        self._acl = {"x-amz-acl": acl} if acl else {}
        self._now = now

    async def start(self) -> None:
        """Do nothing: there is no bucket to make, and no key to try."""

    async def put(self, key: str, data: bytes, *, content_type: str, expires_at: float) -> None:
        """Write an object."""
        headers = object_headers(scope="public", expires_at=expires_at, now=self._now())
        await self._threads.call(self._put, key, data, {"Content-Type": content_type, **headers})

    async def exists(self, key: str) -> bool:
        """Return whether the public address has a picture; where the CDN does not say, the PUT is believed."""
        return await self._threads.call(self._exists, key)

    async def delete(self, keys: Sequence[str]) -> None:
        """Overwrite pictures with nothing, one by one: the address takes one key."""
        for key in keys:
            await self._threads.call(self._put, key, b"", {"Cache-Control": "no-store"})

    async def listed(self, prefix: str = "") -> None:
        """Return None: the address can list nothing."""

    def url(self, key: str, expires_at: float, now: float) -> str:  # noqa: ARG002 - the CDN's addresses do not end
        """Return the public address."""
        return self._signed(key).partition("?")[0]

    async def close(self) -> None:
        """Stop the threads."""
        self._threads.close()

    def _signed(self, key: str) -> str:
        return self._template.format(key=key)

    def _put(self, key: str, data: bytes, headers: dict[str, str]) -> None:
        url = self._signed(key)
        answer = self._http.request("PUT", url, body=data, headers={**headers, **self._acl}, redirect=False)
        if not 200 <= answer.status < 300:  # noqa: PLR2004 - the 2xx family
            raise _failure(url, answer, self._now())

    def _exists(self, key: str) -> bool:
        answer = self._http.request("HEAD", self._signed(key).partition("?")[0], redirect=False)
        if answer.status in _GONE:
            return False
        if answer.status in _HIDDEN or 300 <= answer.status < 400:  # noqa: PLR2004 - the 3xx family
            return True
        if answer.status >= 400:  # noqa: PLR2004 - the 4xx family and above
            raise failure_of_answer(answer.status, "", "to HEAD of the public address")
        return answer.headers.get("Content-Length") != "0"


def expires_at(url: str) -> float | None:
    """Return when a presigned address ends (Unix seconds), or None when it does not say.

    S3 and Google V4 (X-Amz-Date + X-Amz-Expires), S3 V2 and CloudFront (Expires), Azure (se).
    """
    query = {name.lower(): values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    try:
        for vendor in ("x-amz", "x-goog"):
            if f"{vendor}-date" in query:
                start = datetime.strptime(query[f"{vendor}-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
                return start.timestamp() + float(query[f"{vendor}-expires"])
        if "se" in query:
            return datetime.fromisoformat(query["se"]).timestamp()
        return float(query["expires"])
    except (KeyError, ValueError):
        return None


def _failure(url: str, answer: BaseHTTPResponse, now: float) -> Failure:
    code = _CODE.search(answer.data)
    name = code.group(1).decode() if code else ""
    end = expires_at(url)
    refused = 400 <= answer.status < 404  # noqa: PLR2004 - 400, 401, 403: how vendors answer an expired signature
    if refused and (_EXPIRED.search(answer.data) or (end is not None and end <= now)):
        text = f"the presigned address has expired (storage answered {answer.status} {name}); set a new one"
        return Held(Reason.PRESIGNED_EXPIRED, text, HOLD_SECONDS)
    return failure_of_answer(answer.status, name, f"{name} to PUT at the presigned address")
