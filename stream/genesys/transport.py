"""How bytes reach Genesys: one attempt, real timeouts, a pool as wide as the threads that use it."""

import json
import threading
import time
from collections.abc import Callable
from typing import Any, Final

import urllib3
from urllib3.exceptions import ProtocolError

from stream.genesys.sdk import Sdk

FORM: Final = "application/x-www-form-urlencoded"
JSON: Final = "application/json"
SUCCESS: Final = range(200, 206)  # rest.py of the SDK 269.0.0
MAX_CONNECT_SECONDS: Final = 5.0
MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
CHUNK_BYTES: Final = 64 * 1024


class Transport:
    """The SDK's HTTP client, in place of its own one that retries POSTs and knows no timeout.

    Safe to use from as many threads as `connections`.
    """

    def __init__(
        self,
        sdk: Sdk,
        *,
        timeout_seconds: float,
        connections: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        sdk.AbstractHttpClient.register(Transport)  # ApiClient.set_http_client asks isinstance
        self._sdk = sdk
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._pool = urllib3.PoolManager(num_pools=4, maxsize=connections, block=True, retries=False)
        self._answered = threading.local()

    @property
    def status(self) -> str:
        """The status of the calling thread's last answer; the SDK hands on the body alone."""
        return str(getattr(self._answered, "status", ""))

    def request(self, options: Any) -> Any:
        """Make one attempt at a request and return the SDK's RESTResponse.

        Raises:
            ApiException: of the SDK, for every status outside 200-205; redirects are not followed.
            urllib3.exceptions.HTTPError: when there is no complete answer.
        """
        deadline = self._clock() + self._timeout_seconds
        timeout = urllib3.Timeout(connect=min(MAX_CONNECT_SECONDS, self._timeout_seconds), read=self._timeout_seconds)
        raw = self._pool.request(
            options.method,
            options.url,
            headers={**options.headers},
            timeout=timeout,
            retries=False,
            redirect=False,
            preload_content=False,
            **_payload(options),
        )
        body = self._read(raw, deadline)
        self._answered.status = raw.status
        response = self._sdk.RestResponse(_Answer(raw.status, raw.reason, raw.headers, body))
        if raw.status not in SUCCESS:
            raise self._sdk.ApiException(http_resp=response)
        return response

    def close(self) -> None:
        """Close all connections."""
        self._pool.clear()

    def _read(self, raw: urllib3.BaseHTTPResponse, deadline: float) -> str:
        """Read a whole answer before `deadline`; a read timeout alone never ends an answer that drips."""
        chunks: list[bytes] = []
        size_bytes = 0
        complete = False
        try:
            while chunk := raw.read1(CHUNK_BYTES):
                chunks.append(chunk)
                size_bytes += len(chunk)
                if self._clock() > deadline or size_bytes > MAX_ANSWER_BYTES:
                    raise ProtocolError("the answer is too slow or too large")
            complete = True
        finally:
            if not complete:
                raw.close()  # a connection with an unread rest must not serve the next call
            raw.release_conn()
        return b"".join(chunks).decode("utf-8", "replace")


class _Answer:
    """What the SDK's RESTResponse copies out of an urllib3 response."""

    def __init__(self, status: int, reason: str | None, headers: Any, data: str) -> None:
        self.status = status
        self.reason = reason
        self.headers = headers
        self.data = data


def _payload(options: Any) -> dict[str, Any]:
    if options.post_params:
        return {"fields": options.post_params, "encode_multipart": False}
    if options.method == "GET":
        return {"fields": options.query_params or None}
    return {"body": b"" if options.body is None else json.dumps(options.body).encode()}
