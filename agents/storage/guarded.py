"""A store behind a circuit breaker, whose calls are repeated in place: putting and deleting twice changes nothing."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from agents.storage.store import ObjectStore
from stream.breaker import Breaker
from stream.failures import Failure, Reason, Retryable
from stream.in_place import Repeat

T = TypeVar("T")


class GuardedStore:
    """An `ObjectStore` that holds the lane while another one does not answer.

    A storage that is full, or that refuses, has answered: reading and deleting go on, and deleting makes room.
    """

    def __init__(self, store: ObjectStore, breaker: Breaker, repeat: Repeat) -> None:
        self._store = store
        self._breaker = breaker
        self._repeat = repeat

    async def start(self) -> None:
        """Make sure that the store can be used, whatever the circuit: whoever starts it waits by itself."""
        await self._store.start()

    async def put(self, key: str, data: bytes, *, content_type: str, expires_at: float) -> None:
        """Write an object."""
        await self._call(key, lambda: self._store.put(key, data, content_type=content_type, expires_at=expires_at))

    async def exists(self, key: str) -> bool:
        """Return whether the object is there."""
        return await self._call(key, lambda: self._store.exists(key))

    async def delete(self, key: str) -> None:
        """Take the object away."""
        await self._call(key, lambda: self._store.delete(key))

    async def delete_many(self, keys: Sequence[str]) -> None:
        """Take objects away."""
        if keys:
            await self._call(keys[0], lambda: self._store.delete_many(keys))

    def url(self, key: str, expires_at: float, now: float) -> str:
        """Return the address to post; no network."""
        return self._store.url(key, expires_at, now)

    async def close(self) -> None:
        """Let go of connections and threads."""
        await self._store.close()

    async def _call(self, key: str, call: Callable[[], Awaitable[T]]) -> T:
        return await self._repeat(lambda: self._passing(key, call))

    async def _passing(self, key: str, call: Callable[[], Awaitable[T]]) -> T:
        passage = self._breaker.enter(key)
        try:
            answer = await call()
        except Failure as failure:
            if isinstance(failure, Retryable) and failure.reason is not Reason.STORAGE_FULL:
                self._breaker.failed(passage, failure.message)
            else:
                self._breaker.succeeded(passage)
            raise
        except BaseException:
            self._breaker.unknown(passage)
            raise
        self._breaker.succeeded(passage)
        return answer
