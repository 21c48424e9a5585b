"""A store behind a circuit breaker, whose calls are repeated in place: putting and deleting twice changes nothing."""

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from agents.storage.store import ObjectStore, StoredObject
from stream.breaker import Breaker
from stream.failures import Failure, Reason, Retryable
from stream.in_place import Repeat

T = TypeVar("T")

OK: Final = "ok"
Observe = Callable[[str, str, float], None]


class GuardedStore:
    """An `ObjectStore` that holds the lane while another one does not answer.

    A storage that is full, or that refuses, has answered: reading and deleting go on, and deleting makes room.
    """

    def __init__(
        self,
        store: ObjectStore,
        breaker: Breaker,
        repeat: Repeat,
        *,
        observe: Observe = lambda _call, _status, _seconds: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the parts; `observe` is told of each call that was made: its name, `ok` or the reason, its seconds."""
        self._store = store
        self._breaker = breaker
        self._repeat = repeat
        self._observe = observe
        self._clock = clock

    async def start(self) -> None:
        """Make sure that the store can be used, whatever the circuit: whoever starts it waits by itself."""
        await self._store.start()

    async def put(self, key: str, data: bytes, *, content_type: str, expires_at: float) -> None:
        """Write an object."""
        await self._call(
            "put", key, lambda: self._store.put(key, data, content_type=content_type, expires_at=expires_at)
        )

    async def exists(self, key: str) -> bool:
        """Return whether the object is there."""
        return await self._call("exists", key, lambda: self._store.exists(key))

    async def delete(self, keys: Sequence[str]) -> None:
        """Take objects away."""
        if keys:
            await self._call("delete", keys[0], lambda: self._store.delete(keys))

    async def listed(self, prefix: str = "") -> list[StoredObject] | None:
        """Return every object whose key begins so; None where nothing can be listed."""
        return await self._call("list", prefix, lambda: self._store.listed(prefix))

    def url(self, key: str, expires_at: float, now: float) -> str:
        """Return the address to post; no network."""
        return self._store.url(key, expires_at, now)

    async def close(self) -> None:
        """Let go of connections and threads."""
        await self._store.close()

    async def _call(self, name: str, key: str, call: Callable[[], Awaitable[T]]) -> T:
        return await self._repeat(lambda: self._passing(key, lambda: self._observed(name, call)))

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

    async def _observed(self, name: str, call: Callable[[], Awaitable[T]]) -> T:
        began_at = self._clock()
        try:
            answer = await call()
        except Failure as failure:
            self._observe(name, failure.reason, self._clock() - began_at)
            raise
        self._observe(name, OK, self._clock() - began_at)
        return answer
