"""One HTTP exchange over one connection, in a thread, with a deadline that another thread enforces."""

import contextlib
import hashlib
import ssl
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from socket import AF_INET as IPV4
from socket import AF_INET6 as IPV6
from socket import SHUT_RDWR, SOCK_STREAM, socket
from typing import Final

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, ReadTimeoutError
from urllib3.response import HTTPResponse

from agents.download.targets import Target
from stream.failures import Failure, Reason, Rejected, Retryable

CHUNK_BYTES: Final = 1_048_576  # a quarter less CPU than 64 KiB: each chunk is copied, hashed and handed over
ERROR_BODY_BYTES: Final = 4096  # enough to recognise an expired signature
# Credentials, cookies and a Referer are never sent; nothing in here comes from the event.
REQUEST_HEADERS: Final = {
    "Accept": "*/*",
    "Accept-Encoding": "identity",
    "Connection": "close",
    "User-Agent": "attachment-preview-stream",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one download; the total deadline covers every hop, look-ups included."""

    max_bytes: int
    total_seconds: float
    connect_seconds: float
    stall_seconds: float
    max_redirects: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What one hop said; the body of anything but a 2xx is cut at `ERROR_BODY_BYTES`."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    sha256: str


class Wire:
    """The connection of one hop, which another thread can cut at any moment.

    A timeout on the socket bounds each wait but not their sum: a byte a second would keep a thread for ever.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket | None = None
        self._is_cut = False

    def attach(self, connection: socket) -> None:
        """Take hold of a socket before it connects."""
        with self._lock:
            if self._is_cut:
                raise TimeoutError("cut before it was connected")
            self._release()
            self._socket = connection.dup()  # TLS takes the original over; shutdown reaches both

    def cut(self) -> None:
        """Make every read and write on the connection fail at once; harmless once released."""
        with self._lock:
            self._is_cut = True
            if self._socket is not None:
                with contextlib.suppress(OSError):  # not connected yet, or closed by the other side
                    self._socket.shutdown(SHUT_RDWR)

    def release(self) -> None:
        """Let go of the connection."""
        with self._lock:
            self._release()

    def _release(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class _Dialled(HTTPConnection):
    """A connection over a socket that is connected already, to an address that was judged."""

    dialled: socket

    def _new_conn(self) -> socket:
        return self.dialled


class _DialledTLS(_Dialled, HTTPSConnection):
    """The same under TLS: the certificate is checked against the host name of the URL, which is also the SNI."""


def exchange(wire: Wire, target: Target, addresses: Sequence[str], limits: Limits, trust: ssl.SSLContext) -> Answer:
    """Ask the target at the first of these judged addresses that answers; blocks.

    Raises:
        Rejected: The answer is too large or encoded.
        Retryable: Nothing came, or not all of it, or not in time.
    """
    try:
        dialled = _dial_any(wire, addresses, target.port, limits.connect_seconds)
        try:
            return _ask(dialled, target, limits, trust)
        finally:
            dialled.close()
    except Failure:
        raise
    except (TimeoutError, ReadTimeoutError) as error:
        raise Retryable(Reason.SOURCE_TIMEOUT, f"{target.host} did not answer in time") from error
    except (OSError, HTTPException, HTTPError) as error:
        raise Retryable(Reason.SOURCE_UNAVAILABLE, f"{target.host} broke off: {_in_short(error)}") from error
    finally:
        wire.release()


def _dial_any(wire: Wire, addresses: Sequence[str], port: int, timeout_seconds: float) -> socket:
    failure: OSError = OSError("no address")
    for address in addresses:
        try:
            return _dial(wire, address, port, timeout_seconds)
        except OSError as error:
            failure = error
    if isinstance(failure, TimeoutError):
        raise failure
    raise Retryable(Reason.SOURCE_UNREACHABLE, f"no connection: {_in_short(failure)}") from failure


def _dial(wire: Wire, address: str, port: int, timeout_seconds: float) -> socket:
    dialled = socket(IPV6 if ":" in address else IPV4, SOCK_STREAM)
    try:
        dialled.settimeout(timeout_seconds)
        wire.attach(dialled)
        dialled.connect((address, port))
    except BaseException:
        dialled.close()
        raise
    return dialled


def _ask(dialled: socket, target: Target, limits: Limits, trust: ssl.SSLContext) -> Answer:
    connection = _connection(dialled, target, limits, trust)
    try:
        _open(connection, target)
        connection.request("GET", target.path, headers=REQUEST_HEADERS, preload_content=False, decode_content=False)
        with contextlib.closing(connection.getresponse()) as response:
            headers = {name.lower(): value for name, value in response.headers.items()}
            body, sha256 = _body(response, headers, limits.max_bytes)
            return Answer(response.status, headers, body, sha256)
    finally:
        connection.close()


def _connection(dialled: socket, target: Target, limits: Limits, trust: ssl.SSLContext) -> _Dialled:
    connection: _Dialled
    if target.scheme == "https":
        connection = _DialledTLS(target.host, target.port, timeout=limits.stall_seconds, ssl_context=trust)
    else:
        connection = _Dialled(target.host, target.port, timeout=limits.stall_seconds)
    connection.dialled = dialled
    return connection


def _open(connection: HTTPConnection, target: Target) -> None:
    try:
        connection.connect()
    except ssl.SSLError as error:  # retried: a certificate is renewed, and our own trust store may be what is wrong
        raise Retryable(Reason.SOURCE_UNREACHABLE, f"TLS with {target.host} failed: {_in_short(error)}") from error


def _body(response: HTTPResponse, headers: Mapping[str, str], max_bytes: int) -> tuple[bytes, str]:
    if not 200 <= response.status < 300:  # noqa: PLR2004 - the 2xx family
        return _start_of_body(response), ""
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):  # never decoded, so a few bytes never become gigabytes
        raise Rejected(Reason.SOURCE_REFUSED, f"the answer is encoded as {encoding[:40]} though identity was asked for")
    if (response.length_remaining or 0) > max_bytes:
        raise _too_large(max_bytes)
    return _read(response, max_bytes)


def _read(response: HTTPResponse, max_bytes: int) -> tuple[bytes, str]:
    chunks: list[bytes] = []
    digest = hashlib.sha256()
    count = 0
    while chunk := response.read(CHUNK_BYTES, decode_content=False):
        count += len(chunk)
        if count > max_bytes:
            raise _too_large(max_bytes)
        chunks.append(chunk)
        digest.update(chunk)
    return b"".join(chunks), digest.hexdigest()


def _start_of_body(response: HTTPResponse) -> bytes:
    try:
        return response.read(ERROR_BODY_BYTES, decode_content=False)
    except (OSError, HTTPException, HTTPError):  # the status says enough
        return b""


def _too_large(max_bytes: int) -> Rejected:
    return Rejected(Reason.TOO_LARGE, f"the file is larger than {max_bytes} bytes")


def _in_short(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:200]
