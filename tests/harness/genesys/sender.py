"""The sender of the webhooks: signature, deadline and retries as Genesys has them."""

import asyncio
import base64
import hmac
from collections.abc import Awaitable, Callable
from typing import Any, Final

import aiohttp
import msgspec
from msgspec import Struct

SIGNATURE: Final = "X-Hub-Signature-256"


class Delivery(Struct, kw_only=True, rename="camel"):
    """A webhook to send: `payload` as JSON, or `text` as it is; signed when there is a secret."""

    url: str
    payload: Any = None
    text: str | None = None
    secret: str = ""
    retries: int = 5
    retry_delay_seconds: float = 5.0
    timeout_seconds: float = 10.0
    headers: dict[str, str] = {}

    def body(self) -> bytes:
        return msgspec.json.encode(self.payload) if self.text is None else self.text.encode()


class Receipt(Struct, kw_only=True, rename="camel"):
    """How a delivery went; status 0 when there was no answer."""

    delivered: bool
    statuses: list[int]
    body: str = ""


class WebhookSender:
    """Sends webhooks: retries after a timeout, a lost connection, 429 and 5xx only."""

    def __init__(
        self, session: aiohttp.ClientSession, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._session = session
        self._sleep = sleep

    async def send(self, delivery: Delivery) -> Receipt:
        statuses: list[int] = []
        body = ""
        for attempt in range(1 + delivery.retries):
            if attempt:
                await self._sleep(delivery.retry_delay_seconds)
            status, body = await self._attempt(delivery)
            statuses.append(status)
            if status not in (0, 429) and status < 500:
                break
        return Receipt(delivered=200 <= statuses[-1] < 300, statuses=statuses, body=body)

    async def _attempt(self, delivery: Delivery) -> tuple[int, str]:
        data = delivery.body()
        headers = {"Content-Type": "application/json"} | delivery.headers
        if delivery.secret:
            headers[SIGNATURE] = signature(delivery.secret, data)
        timeout = aiohttp.ClientTimeout(total=delivery.timeout_seconds)
        try:
            async with self._session.post(delivery.url, data=data, headers=headers, timeout=timeout) as response:
                return response.status, await response.text()
        except (TimeoutError, aiohttp.ClientError):
            return 0, ""


def signature(secret: str, body: bytes) -> str:
    """Sign the raw body; base64, not hexadecimal."""
    digest = hmac.new(secret.encode(), body, "sha256").digest()
    return f"sha256={base64.b64encode(digest).decode()}"
