import random

import pytest

from stream.failures import Failure, Held, Reason, Refused, Retryable
from stream.in_place import InPlace


class Step:
    """A step that fails as it is told, one failure a try, then ends well."""

    def __init__(self, *failures: Failure, seconds: float = 0.0) -> None:
        self.now = 0.0
        self.tries = 0
        self.repeated: list[Reason] = []
        self._failures = list(failures)
        self._seconds = seconds

    async def __call__(self) -> str:
        self.tries += 1
        self.now += self._seconds
        if self._failures:
            raise self._failures.pop(0)
        return "done"

    async def run(self) -> str:
        return await InPlace(random.Random(1), self.repeated.append, clock=lambda: self.now, sleep=self._sleep)(self)

    async def _sleep(self, seconds: float) -> None:
        self.now += seconds


GONE = Retryable(Reason.STORAGE_UNAVAILABLE, "connection refused")


async def test_a_step_that_fails_once_is_mended_in_place_and_counted() -> None:
    step = Step(GONE)
    assert await step.run() == "done"
    assert step.tries == 2
    assert step.repeated == [Reason.STORAGE_UNAVAILABLE]


async def test_a_step_is_tried_twice_and_its_last_failure_is_the_one_told() -> None:
    last = Retryable(Reason.STORAGE_UNAVAILABLE, "503")
    step = Step(GONE, last)
    with pytest.raises(Retryable) as caught:
        await step.run()
    assert caught.value is last
    assert step.tries == 2


@pytest.mark.parametrize(
    "failure",
    [
        Retryable(Reason.GENESYS_AMBIGUOUS, "it may have been said"),
        Refused(Reason.STORAGE_REFUSED, "400"),
        Held(Reason.CIRCUIT_OPEN, "waits", 5.0),
    ],
)
async def test_what_is_ambiguous_refused_or_held_is_never_repeated_in_place(failure: Failure) -> None:
    step = Step(failure)
    with pytest.raises(type(failure)):
        await step.run()
    assert step.tries == 1


async def test_a_step_that_took_two_seconds_to_fail_waits_in_the_due_table_instead() -> None:
    step = Step(GONE, seconds=2.0)
    with pytest.raises(Retryable):
        await step.run()
    assert step.tries == 1


async def test_a_repeat_that_is_held_gives_way_to_the_failure_before_it_so_that_another_record_may_probe() -> None:
    step = Step(GONE, Held(Reason.CIRCUIT_OPEN, "waits", 5.0))
    with pytest.raises(Retryable) as caught:
        await step.run()
    assert caught.value is GONE
