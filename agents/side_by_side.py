"""Works side by side, some at a time, of which none outlives the whole."""

import asyncio
from collections.abc import Awaitable, Iterable
from itertools import islice
from typing import Final

AT_ONCE: Final = 32
"""More would hold the event loop for too long, as several records may be worked on at a time."""


async def side_by_side(works: Iterable[Awaitable[None]]) -> None:
    """Await all of them; once some have failed begin with no more, wait for those under way, and raise the first error.

    asyncio.gather would leave them running, and what a drain does not know of may write to a partition that moved away.
    """
    remaining = iter(works)
    while some := list(islice(remaining, AT_ONCE)):
        for ended in await asyncio.gather(*some, return_exceptions=True):
            if isinstance(ended, BaseException):
                raise ended
