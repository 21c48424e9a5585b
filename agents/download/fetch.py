"""The downloader: hops, deadlines and checks around the exchange on the wire."""

import asyncio
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin

from agents.download.addresses import AddressPolicy
from agents.download.answers import failure_of, redirect_location
from agents.download.targets import SourcePolicy, Target
from agents.download.wire import Answer, Limits, Wire, exchange
from agents.settings import WorkerSettings
from stream.failures import Reason, Rejected, Retryable

SPARE_THREADS: Final = 4  # for look-ups given up at the deadline: getaddrinfo cannot be interrupted

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Download:
    """A file as its source gave it; `content_type` is what the source says and is never trusted."""

    data: bytes
    content_type: str
    sha256: str


class Downloader:
    """Fetches files from addresses that others chose.

    Every hop of a redirect is judged anew: scheme and host, then each address that its name resolves to, and the
    connection goes to exactly the address that was judged, so a second look-up (DNS rebinding) has no say.
    """

    def __init__(
        self,
        *,
        sources: SourcePolicy,
        addresses: AddressPolicy,
        limits: Limits,
        concurrency: int,
        trust: ssl.SSLContext | None = None,
        resolve: Resolve | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._sources = sources
        self._addresses = addresses
        self._limits = limits
        self._trust = trust or ssl.create_default_context()
        self._resolve = resolve or self._look_up
        self._now = now
        self._threads = ThreadPoolExecutor(concurrency + SPARE_THREADS, thread_name_prefix="download")
        self._look_ups = ThreadPoolExecutor(concurrency + SPARE_THREADS, thread_name_prefix="look-up")

    async def fetch(self, url: str, *, sha256: str | None = None) -> Download:
        """Download one file within the total deadline, checked against `sha256` (hex) where it is given.

        Raises:
            Rejected: Policy, size, or the source's final word.
            Retryable: It may work later.
        """
        try:
            async with asyncio.timeout(self._limits.total_seconds):
                answer = await self._follow(url)
        except TimeoutError as error:
            text = f"the download took longer than {self._limits.total_seconds:g} s"
            raise Retryable(Reason.SOURCE_TIMEOUT, text) from error
        failure = failure_of(answer, self._now())
        if failure is not None:
            raise failure
        return _checked(answer, sha256)

    async def close(self) -> None:
        """Stop the threads without waiting for look-ups that hang."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._look_ups.shutdown(wait=False, cancel_futures=True)

    async def _follow(self, url: str) -> Answer:
        target = self._sources.target(url)
        seen = {target.url}
        for _ in range(self._limits.max_redirects + 1):
            answer = await self._hop(target)
            location = redirect_location(answer)
            if location is None:
                return answer
            target = self._sources.target(_joined(target.url, location))
            if target.url in seen:
                raise Rejected(Reason.SOURCE_REFUSED, "the source redirects in a loop")
            seen.add(target.url)
        raise Rejected(Reason.SOURCE_REFUSED, f"the source redirects more than {self._limits.max_redirects} times")

    async def _hop(self, target: Target) -> Answer:
        addresses = await self._judged_addresses(target)
        wire = Wire()
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(
                self._threads, exchange, wire, target, addresses, self._limits, self._trust
            )
        finally:
            wire.cut()  # at the deadline, or when the job is cancelled, the thread must not go on

    async def _judged_addresses(self, target: Target) -> Sequence[str]:
        try:
            found = await self._resolve(target.host, target.port)
        except OSError as error:
            raise Retryable(Reason.SOURCE_UNREACHABLE, f"{target.host} cannot be looked up: {error}") from error
        objections = {address: self._addresses.objection(address) for address in found}
        allowed = [address for address, objection in objections.items() if objection is None]
        if found and not allowed:
            kinds = ", ".join(sorted({str(objection) for objection in objections.values()}))
            raise Rejected(Reason.SOURCE_BLOCKED, f"{target.host} is at a forbidden address ({kinds})")
        return allowed

    async def _look_up(self, host: str, port: int) -> Sequence[str]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._look_ups, _get_addresses, host, port)
        return list(dict.fromkeys(found))


def create_downloader(settings: WorkerSettings) -> Downloader:
    """Build the downloader of a worker."""
    return Downloader(
        sources=SourcePolicy(allow_http=settings.download_allow_http, allowed_hosts=settings.download_allowed_hosts),
        addresses=AddressPolicy(settings.download_allowed_networks),
        limits=Limits(
            max_bytes=settings.download_max_bytes,
            total_seconds=settings.download_timeout_seconds,
            connect_seconds=settings.download_connect_timeout_seconds,
            stall_seconds=settings.download_stall_timeout_seconds,
            max_redirects=settings.download_max_redirects,
        ),
        concurrency=settings.render_concurrency,
    )


def _get_addresses(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # a label that is empty or over 63 characters
        raise OSError(f"no host name: {error}") from error
    return [str(address[0]) for *_, address in found]


def _joined(base: str, location: str) -> str:
    try:
        return urljoin(base, location)
    except ValueError as error:
        raise Rejected(Reason.SOURCE_REFUSED, "the source redirects to a malformed address") from error


def _checked(answer: Answer, sha256: str | None) -> Download:
    if sha256 is not None and answer.sha256 != sha256.lower():
        raise Rejected(Reason.SOURCE_CHANGED, "the file is not the one that was announced: its sha256 differs")
    return Download(answer.body, answer.headers.get("content-type", ""), answer.sha256)
