import random

import pytest

from agents.storage import GuardedStore
from stream.breaker import Breaker, State
from stream.failures import Failure, Held, Reason, Refused, Retryable
from stream.in_place import InPlace, Repeat, once
from tests.agents.worlds import MemoryStore


class Bench:
    def __init__(self, repeat: Repeat = once) -> None:
        self.now = 0.0
        self.inner = MemoryStore([])
        self.breaker = Breaker("storage", threshold=3, open_seconds=10, clock=lambda: self.now)
        self.store = GuardedStore(self.inner, self.breaker, repeat)

    async def fail(self, failure: Failure, times: int = 3) -> None:
        self.inner.failing = failure
        for number in range(times):
            with pytest.raises(type(failure)):
                await self.store.put(f"key-{number}", b"x", content_type="image/webp", expires_at=1.0)


AWAY = Retryable(Reason.STORAGE_UNAVAILABLE, "connection refused")


async def test_a_store_that_does_not_answer_holds_the_lane_without_being_asked() -> None:
    bench = Bench()
    await bench.fail(AWAY)
    bench.inner.failing = AssertionError("asked all the same")
    for call in (bench.store.exists("k"), bench.store.delete(["k"])):
        with pytest.raises(Held, match="calls to storage wait: connection refused") as held:
            await call
        assert held.value.reason is Reason.CIRCUIT_OPEN


async def test_one_call_that_succeeds_lets_all_others_through_again() -> None:
    bench = Bench()
    await bench.fail(AWAY)
    bench.inner.failing = None
    bench.now = 10.0
    assert not await bench.store.exists("k")
    assert bench.breaker.state is State.CLOSED


@pytest.mark.parametrize(
    "answer",
    [
        Held(Reason.STORAGE_ACCESS_REFUSED, "403", 15.0),
        Held(Reason.PRESIGNED_EXPIRED, "set a new one", 15.0),
        Refused(Reason.STORAGE_REFUSED, "400"),
        Retryable(Reason.STORAGE_FULL, "507"),
    ],
)
async def test_a_store_that_refuses_or_is_full_has_answered(answer: Failure) -> None:
    bench = Bench()
    await bench.fail(answer, times=10)
    assert bench.breaker.state is State.CLOSED
    await bench.fail(AWAY)
    bench.now = 10.0
    await bench.fail(answer, times=1)
    assert bench.breaker.state is State.CLOSED


async def test_an_object_that_always_fails_does_not_keep_the_others_waiting() -> None:
    bench = Bench()
    bench.inner.failing = AWAY
    for _ in range(20):
        with pytest.raises(Retryable):
            await bench.store.exists("poison")
    bench.inner.failing = None
    assert not await bench.store.exists("good")


async def no_sleep(seconds: float) -> None:
    del seconds


async def test_a_probe_that_fails_spends_its_records_attempt_so_that_the_next_probe_is_another_ones() -> None:
    bench = Bench(InPlace(random.Random(1), lambda _: None, clock=lambda: 0.0, sleep=no_sleep))
    await bench.fail(AWAY, times=2)  # the repeats count
    bench.now = 10.0
    with pytest.raises(Retryable):  # not held: then it would probe again and again
        await bench.store.exists("poison")
    bench.now = 30.0
    bench.inner.failing = None
    assert not await bench.store.exists("good")
    assert bench.breaker.state is State.CLOSED


async def test_each_call_that_is_made_is_told_with_its_end_and_its_time() -> None:
    told: list[tuple[str, str, float]] = []
    inner, breaker = MemoryStore([]), Breaker("storage", threshold=2, clock=lambda: 0.0)
    times = iter(range(100))
    store = GuardedStore(inner, breaker, once, observe=lambda *call: told.append(call), clock=lambda: next(times))
    await store.put("key", b"x", content_type="image/webp", expires_at=1.0)
    assert await store.exists("key")
    inner.failing = AWAY
    for key in ("one", "two"):
        with pytest.raises(Retryable):
            await store.delete(key)
    with pytest.raises(Held):  # by the circuit, so no call is made
        await store.delete("three")
    failed = ("delete", "storage_unavailable", 1)
    assert told == [("put", "ok", 1), ("exists", "ok", 1), failed, failed]
