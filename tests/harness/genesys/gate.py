"""What every call passes before its handler: token, limit, faults; and the headers of its answer."""

import asyncio
import contextlib
import math
import uuid
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from tests.harness.genesys.api import ApiError
from tests.harness.genesys.faults import Fault
from tests.harness.genesys.state import State
from tests.harness.genesys.views import error_view

BEARER: Final = "Bearer "
DROPPED: Final = 499  # never sent: the connection is gone

Befall = Callable[[web.Request, Handler, Fault], Awaitable[web.StreamResponse]]


class Gate:
    """The middleware around login and API."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._befall: dict[str, Befall] = {
            "status": self._status,
            "slow": self._slow,
            "slow_after": self._slow_after,
            "drop_before": self._drop_before,
            "drop_after": self._drop_after,
            "drip": self._drip,
            "revoke": self._revoke,
        }

    def middleware(self) -> Middleware:
        @web.middleware
        async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await handler(request) if request.path.startswith("/_sim/") else await self._pass(request, handler)

        return gate

    async def _pass(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        call = request.match_info.route.name or "unknown"
        self._state.calls[call] += 1
        await asyncio.sleep(self._state.settings.latency_seconds)
        headers = {"ININ-Correlation-Id": str(uuid.uuid4())}
        try:
            response = await self._admit(request, handler, call, headers)
        except ApiError as error:
            response = error.response()
        except web.HTTPException as error:
            response = web.json_response(error_view(error.status, "not.found", error.reason), status=error.status)
        if not response.prepared:
            response.headers.update(headers)
        self._state.statuses["dropped" if response.status == DROPPED else str(response.status)] += 1
        return response

    async def _admit(
        self, request: web.Request, handler: Handler, call: str, headers: dict[str, str]
    ) -> web.StreamResponse:
        if call != "token":
            settings = self._state.settings
            token = self._authenticate(request)
            caller = token if settings.limit_by == "token" else self._state.tokens.client_of(token)
            allowance = self._state.limiter.count(caller, settings.calls_per_minute)
            headers |= allowance.headers()
            if allowance.exceeded:
                headers["Retry-After"] = str(allowance.reset_seconds)
                raise ApiError(429, "too.many.requests.retry.after", "Rate limit exceeded the maximum. Retry later.")
        fault = self._state.faults.pick(call, request.match_info.get("conversation_id"))
        return await handler(request) if fault is None else await self._befall[fault.kind](request, handler, fault)

    def _authenticate(self, request: web.Request) -> str:
        header = request.headers.get("Authorization", "")
        token = header.removeprefix(BEARER)
        if not header.startswith(BEARER) or not self._state.tokens.good(token):
            raise ApiError(401, "bad.credentials", "Invalid login credentials.")
        return token

    async def _status(self, request: web.Request, handler: Handler, fault: Fault) -> web.StreamResponse:
        if fault.commits:
            await handler(request)
        response = web.json_response(error_view(fault.status, fault.code, fault.message), status=fault.status)
        if fault.retry_after_seconds is not None:
            response.headers["Retry-After"] = str(math.ceil(fault.retry_after_seconds))
        return response

    async def _slow(self, request: web.Request, handler: Handler, fault: Fault) -> web.StreamResponse:
        await request.read()
        await asyncio.sleep(fault.seconds)
        return await handler(request)

    async def _slow_after(self, request: web.Request, handler: Handler, fault: Fault) -> web.StreamResponse:
        response = await handler(request)
        await asyncio.sleep(fault.seconds)
        return response

    async def _drop_before(self, request: web.Request, _handler: Handler, _fault: Fault) -> web.StreamResponse:
        await request.read()
        return _dropped(request)

    async def _drop_after(self, request: web.Request, handler: Handler, _fault: Fault) -> web.StreamResponse:
        await handler(request)
        return _dropped(request)

    async def _drip(self, request: web.Request, handler: Handler, fault: Fault) -> web.StreamResponse:
        whole = await handler(request)
        body = whole.body if isinstance(whole, web.Response) and isinstance(whole.body, bytes) else b""
        dripping = web.StreamResponse(status=whole.status, headers={"Content-Type": "application/json"})
        dripping.content_length = len(body)
        await dripping.prepare(request)
        with contextlib.suppress(ConnectionError):  # the caller gave up, as it should
            for byte in body:
                await dripping.write(bytes([byte]))
                await asyncio.sleep(fault.seconds)
        return dripping

    async def _revoke(self, request: web.Request, _handler: Handler, _fault: Fault) -> web.StreamResponse:
        self._state.tokens.revoke(request.headers["Authorization"].removeprefix(BEARER))
        raise ApiError(401, "bad.credentials", "Invalid login credentials.")


def _dropped(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=DROPPED)
