"""Access tokens for SASL OAUTHBEARER, by OAuth's grant of client credentials (RFC 6749, 4.4).

librdkafka does this by itself; aiokafka asks a provider of ours whenever it opens a connection.
"""

import asyncio
import ssl
import threading
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import urllib3
from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaConnectionError

from stream.settings import Secret

TIMEOUT_SECONDS: Final = 10.0
FRESH_PART: Final = 0.8  # of its life; librdkafka renews its own then, too
ASSUMED_LIFE_SECONDS: Final = 60.0  # where the endpoint names none
HTTP_OK: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCredentials:
    """Who asks for tokens, and where."""

    url: str
    client_id: str
    client_secret: Secret
    scope: str = ""


class _Granted(msgspec.Struct):
    access_token: str
    expires_in: float = ASSUMED_LIFE_SECONDS


class AccessToken(AbstractTokenProvider):  # type: ignore[misc]  # aiokafka is not typed
    """The token of the moment, asked for anew when four fifths of its life are over; `clock` is monotonic.

    Faust's consumer and producer ask from threads and loops of their own, so one asks the endpoint and the others wait.
    """

    def __init__(
        self,
        client: ClientCredentials,
        *,
        trust: ssl.SSLContext,
        extensions: Mapping[str, str],
        clock: Callable[[], float],
    ) -> None:
        self._client = client
        self._extensions = dict(extensions)
        self._clock = clock
        self._pool = urllib3.PoolManager(ssl_context=trust, retries=False, timeout=TIMEOUT_SECONDS)
        self._lock = threading.Lock()
        self._token = ""
        self._fresh_until = clock()

    async def token(self) -> str:
        """Return a token that is fresh.

        Raises:
            KafkaConnectionError: The endpoint gave none; aiokafka tries the connection again.
        """
        return await asyncio.to_thread(self._fresh)

    def extensions(self) -> dict[str, str]:
        """Return the SASL extensions to send along."""
        return self._extensions

    def _fresh(self) -> str:
        with self._lock:
            if self._clock() >= self._fresh_until:
                asked_at = self._clock()
                granted = self._ask()
                self._token = granted.access_token
                self._fresh_until = asked_at + granted.expires_in * FRESH_PART
            return self._token

    def _ask(self) -> _Granted:
        grant: dict[str, Any] = {"grant_type": "client_credentials"}
        if self._client.scope:
            grant["scope"] = self._client.scope
        # RFC 6749, 2.3.1 would form-encode both before they are joined; librdkafka and Java's client do not.
        proof = f"{self._client.client_id}:{self._client.client_secret.reveal()}".encode()
        headers = {"authorization": f"Basic {b64encode(proof).decode()}", "accept": "application/json"}
        try:
            answer = self._pool.request_encode_body(
                "POST", self._client.url, fields=grant, headers=headers, encode_multipart=False
            )
            return _granted(answer)
        except (urllib3.exceptions.HTTPError, msgspec.DecodeError) as error:
            raise KafkaConnectionError(f"no access token from {self._client.url}: {error}") from error


def _granted(answer: urllib3.BaseHTTPResponse) -> _Granted:
    if answer.status != HTTP_OK:
        raise urllib3.exceptions.HTTPError(f"answered {answer.status}")
    return msgspec.json.decode(answer.data, type=_Granted)
