import asyncio

import pytest

from agents.side_by_side import AT_ONCE, side_by_side


async def test_all_are_done_some_at_a_time() -> None:
    running, most, done = 0, 0, 0

    async def work() -> None:
        nonlocal running, most, done
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        done += 1

    await side_by_side(work() for _ in range(2 * AT_ONCE + 1))
    assert (most, done) == (AT_ONCE, 2 * AT_ONCE + 1)


async def test_what_is_under_way_when_another_fails_is_waited_for() -> None:
    going_on = asyncio.Event()

    async def fails() -> None:
        raise KeyError

    async def goes_on() -> None:
        await going_on.wait()

    whole = asyncio.create_task(side_by_side([fails(), goes_on()]))
    done, _ = await asyncio.wait([whole], timeout=0.01)
    assert not done
    going_on.set()
    with pytest.raises(KeyError):
        await whole


async def test_what_is_under_way_is_given_up_with_the_whole() -> None:
    given_up = asyncio.Event()

    async def hangs() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            given_up.set()

    whole = asyncio.create_task(side_by_side([hangs()]))
    await asyncio.wait([whole], timeout=0.01)
    whole.cancel()
    with pytest.raises(asyncio.CancelledError):
        await whole
    assert given_up.is_set()
