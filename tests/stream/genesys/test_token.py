import asyncio

import pytest

from stream.failures import Held, Reason
from stream.genesys.token import Token, TokenSource


class Login:
    """Issues t1, t2, … when it is let."""

    def __init__(self, lives_seconds: float = 1000.0) -> None:
        self.now = 0.0
        self.requests = 0
        self.open = asyncio.Event()
        self.open.set()
        self.failure: Exception | None = None
        self._lives_seconds = lives_seconds

    async def request(self) -> Token:
        self.requests += 1
        await self.open.wait()
        if self.failure is not None:
            raise self.failure
        return Token(f"t{self.requests}", self._lives_seconds)

    def source(self) -> TokenSource:
        return TokenSource(self.request, clock=lambda: self.now)


async def test_a_token_is_used_until_its_end_is_near() -> None:
    login = Login(lives_seconds=1000)
    source = login.source()
    assert await source.get() == "t1"
    login.now = 939
    assert await source.get() == "t1"
    login.now = 940
    assert await source.get() == "t2"


async def test_a_short_token_is_not_renewed_at_once() -> None:
    login = Login(lives_seconds=10)
    source = login.source()
    await source.get()
    login.now = 8
    assert await source.get() == "t1"
    login.now = 9
    assert await source.get() == "t2"


async def test_many_callers_make_one_request() -> None:
    login = Login()
    source = login.source()
    login.open.clear()
    callers = [asyncio.create_task(source.get()) for _ in range(20)]
    await asyncio.sleep(0)
    login.open.set()
    assert set(await asyncio.gather(*callers)) == {"t1"}
    assert login.requests == 1


async def test_many_refusals_of_one_token_renew_it_once() -> None:
    login = Login()
    source = login.source()
    token = await source.get()
    assert set(await asyncio.gather(*(source.renew(token) for _ in range(20)))) == {"t2"}
    assert await source.renew("t1") == "t2"
    assert login.requests == 2


async def test_a_caller_that_gives_up_does_not_take_the_others_with_it() -> None:
    login = Login()
    source = login.source()
    login.open.clear()
    first, second = asyncio.create_task(source.get()), asyncio.create_task(source.get())
    await asyncio.sleep(0)
    first.cancel()
    login.open.set()
    assert await second == "t1"
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_failure_reaches_every_caller_and_the_next_one_asks_again() -> None:
    login = Login()
    source = login.source()
    login.failure = Held(Reason.CREDENTIALS_REFUSED, "no", 30)
    answers = await asyncio.gather(source.get(), source.get(), return_exceptions=True)
    assert all(isinstance(answer, Held) for answer in answers)
    login.failure = None
    assert await source.get() == "t2"
