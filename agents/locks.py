"""Locks by name: as many as are in use."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Generic, TypeVar
from weakref import WeakValueDictionary

NameT = TypeVar("NameT", bound=Any)


class Locks(Generic[NameT]):
    """One lock a name, gone with its last user."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[NameT, asyncio.Lock] = WeakValueDictionary()

    def of(self, name: NameT) -> asyncio.Lock:
        """Return the lock of a name."""
        return self._locks.setdefault(name, asyncio.Lock())

    @asynccontextmanager
    async def all(self, names: Collection[NameT]) -> AsyncIterator[None]:
        """Hold the locks of all names; in their order, so that no two wait for each other."""
        async with AsyncExitStack() as held:
            for name in sorted(set(names)):
                await held.enter_async_context(self.of(name))
            yield
