"""One call to Genesys, with everything that every call needs: token, rate, breaker, thread, translation."""

import asyncio
import base64
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from urllib3.exceptions import HTTPError

from stream.breaker import Breaker
from stream.failures import Failure, Held, Reason, Refused, Rejected, Retryable
from stream.genesys.answers import failure_of_status, failure_of_transport, lost_by, redacted
from stream.genesys.calls import TOKEN, Call
from stream.genesys.login import Access, Login, by_room, least
from stream.genesys.oauth_clients import OAuthClient
from stream.genesys.rate import RateShare
from stream.genesys.sdk import Sdk, load_sdk
from stream.genesys.token import Token
from stream.genesys.transport import FORM, JSON, Transport
from stream.in_place import Repeat, once

SERVER_ERROR: Final = 500
UNAUTHORIZED: Final = 401
DEFAULT_TOKEN_SECONDS: Final = 3_600.0
TOO_LATE_SECONDS: Final = 1.0
OF_ONE_CLIENT: Final = frozenset({Reason.RATE_LIMITED, Reason.CREDENTIALS_REFUSED})
"""Holds that another OAuth client need not share; the call was certainly not carried out."""

logger = logging.getLogger(__name__)

Observe = Callable[[str, str, float], None]


class Permit(NamedTuple):
    """Until when a call may be sent, Unix seconds, and who is asked once it is its turn: raises when it may not."""

    before: float | None = None
    ask: Callable[[], None] = lambda: None


ALWAYS: Final = Permit()


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call with its values."""

    call: Call
    ids: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    permit: Permit = ALWAYS
    about: str = ""
    """Whom the call is for, where no id says it."""

    @property
    def subject(self) -> str:
        """Whom or what the call is for: failures of different ones open the circuit."""
        return self.about or self.ids.get("conversation_id") or next(iter(self.ids.values()), "")

    @property
    def path(self) -> str:
        """The path with the ids in it. Raises Refused for an id that is none."""
        return self.call.resource(**self.ids)


class UnauthorizedError(Exception):
    """The token of one attempt was refused; never leaves this module."""

    def __init__(self, token: str, failure: Failure) -> None:
        super().__init__("401")
        self.token = token
        self.failure = failure


class TooLate(Held):
    """The call's own deadline has passed, so no client may make it."""


class Api:
    """Makes calls, each with the OAuth client whose turn comes soonest; every one of them spends its rate share.

    `observe` is told of each attempt: the call's name, the status (an HTTP code, "timeout" or "dropped"), its seconds.
    """

    def __init__(
        self,
        access: Access,
        *,
        rates: Sequence[RateShare],
        breaker: Breaker,
        timeout_seconds: float,
        concurrency: int,
        repeat: Repeat = once,
        observe: Observe = lambda _call, _status, _seconds: None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._access = access
        self._breaker = breaker
        self._repeat = repeat
        self._observe = observe
        self._wall_clock = wall_clock
        self._sdk: Sdk = load_sdk()
        self._transport = Transport(self._sdk, timeout_seconds=timeout_seconds, connections=concurrency)
        self._client = self._sdk.ApiClient(host=access.base_url.rstrip("/"))
        self._client.set_http_client(self._transport)
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="genesys")
        self.logins = tuple(
            Login(number, client, rate, self._request_token)
            for number, (client, rate) in enumerate(zip(access.clients, rates, strict=True))
        )

    async def call(self, request: Request) -> Any:
        """Make a call and return its decoded answer.

        Raises:
            Failure: of any family; see stream/genesys/answers.py.
        """
        path = request.path
        return await self._repeat(lambda: self._by_any_client(request, path))

    async def _by_any_client(self, request: Request, path: str) -> Any:
        """Make a call with the first client that may make it."""
        holds: list[Held] = []
        for login in by_room(self.logins):
            try:
                return await self._authorized(request, path, login)
            except TooLate:
                raise
            except Held as held:
                if held.reason not in OF_ONE_CLIENT:
                    raise
                holds.append(held)
                self._do_without(login, held)
        raise least(holds)

    def _do_without(self, login: Login, held: Held) -> None:
        if held.reason is Reason.CREDENTIALS_REFUSED:
            login.refused(held)
            told = {"client": login.number, "detail": held.message, "for": held.for_seconds}
            logger.error("genesys.client_refused", extra=told)

    async def _authorized(self, request: Request, path: str, login: Login) -> Any:
        try:
            return await self._attempt(request, path, login)
        except UnauthorizedError as refused:
            await login.tokens.renew(refused.token)
        try:
            return await self._attempt(request, path, login)
        except UnauthorizedError as refused:
            raise refused.failure from refused

    def is_api_address(self, url: str) -> bool:
        """Return whether `url` is on the API's own origin; only there may the token go."""
        return _origin(url) == _origin(self._access.base_url)

    async def close(self) -> None:
        """Close connections and threads; calls in flight end within their timeout."""
        await asyncio.to_thread(self._threads.shutdown)
        self._transport.close()

    async def _attempt(self, request: Request, path: str, login: Login) -> Any:
        passage = self._breaker.enter(request.subject)
        try:
            token = await login.token()
            await login.rate.spend()
            request.permit.ask()
            answer = await self._exchange(request, path, token, login.rate)
        except Retryable as failure:
            self._breaker.failed(passage, failure.message)
            raise
        except (Refused, Rejected, UnauthorizedError) as failure:
            unasked = (
                isinstance(failure, Rejected) and failure.reason is Reason.ERASED
            )  # by the permit, before the call
            (self._breaker.unknown if unasked else self._breaker.succeeded)(passage)
            raise
        except Held as held:
            answered = held.reason is Reason.PERMISSION_MISSING  # other holds may come before the call is made
            (self._breaker.succeeded if answered else self._breaker.unknown)(passage)
            raise
        except BaseException:
            self._breaker.unknown(passage)
            raise
        self._breaker.succeeded(passage)
        return answer

    async def _exchange(self, request: Request, path: str, token: str, rate: RateShare) -> Any:
        try:
            return await self._in_thread(request.call, lambda: self._send(request, path, token))
        except TooLate:
            raise
        except Held as held:
            if held.reason is Reason.RATE_LIMITED:
                rate.pause(held.for_seconds)
            if held.reason is Reason.CREDENTIALS_REFUSED:
                raise UnauthorizedError(token, held) from held
            raise

    async def _in_thread(self, call: Call, exchange: Callable[[], Any]) -> Any:
        """Run a blocking exchange in the pool, its exceptions translated and its end observed."""
        started_at = time.monotonic()
        try:
            answer, status = await asyncio.get_running_loop().run_in_executor(
                self._threads, lambda: (exchange(), self._transport.status)
            )
        except self._sdk.ApiException as error:
            self._observe(call.name, str(error.status), time.monotonic() - started_at)
            raise self._failure_of(call, error) from error
        except HTTPError as error:
            self._observe(call.name, lost_by(error), time.monotonic() - started_at)
            logger.warning("genesys.no_answer", extra={"call": call.name, "error": redacted(str(error))})
            raise failure_of_transport(call, error) from error
        self._observe(call.name, status, time.monotonic() - started_at)
        return answer

    def _send(self, request: Request, path: str, token: str) -> Any:
        if request.permit.before is not None and self._wall_clock() >= request.permit.before:
            raise TooLate(Reason.RATE_LIMITED, "its turn came too late to be written safely", TOO_LATE_SECONDS)
        return self._client.call_api(
            path,
            request.call.method,
            header_params={"Accept": JSON, "Content-Type": JSON, "Authorization": f"Bearer {token}"},
            query_params=dict(request.query),
            body=request.body,
            response_type="object",
        )

    async def _request_token(self, client: OAuthClient) -> Token:
        response = await self._in_thread(TOKEN, lambda: self._send_token_request(client))
        try:
            answer = json.loads(response.data)
            return Token(str(answer["access_token"]), float(answer.get("expires_in", DEFAULT_TOKEN_SECONDS)))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Retryable(Reason.GENESYS_UNAVAILABLE, "the token endpoint answered no token") from error

    def _send_token_request(self, client: OAuthClient) -> Any:
        login_url = self._client.get_conf_url("login", self._client.host)
        pair = f"{client.id}:{client.secret.reveal()}"
        basic = base64.b64encode(pair.encode()).decode()
        return self._transport.request(
            self._sdk.HttpRequestOptions(
                url=login_url + TOKEN.path,
                method=TOKEN.method,
                headers={"Authorization": f"Basic {basic}", "Content-Type": FORM},
                post_params={"grant_type": "client_credentials"},
            )
        )

    def _failure_of(self, call: Call, error: Any) -> Failure:
        body = str(error.body or "")
        if error.status >= SERVER_ERROR:
            secrets = [secret for one in self.logins for secret in (one.client.secret.reveal(), one.tokens.current)]
            shown = redacted(body, secrets)
            logger.warning("genesys.failed", extra={"call": call.name, "status": error.status, "body": shown})
        return failure_of_status(call, error.status, error.headers or {}, body)


def _origin(url: str) -> tuple[str, str | None, int | None] | None:
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        return None
    return parts.scheme, parts.hostname, port
