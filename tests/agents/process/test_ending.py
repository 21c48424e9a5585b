"""When the process ends, and how."""

import asyncio
import re
import signal
import subprocess
import sys
from typing import Final, NoReturn

import pytest

from agents.process.ending import Ending

END_SECONDS: Final = 30.0
BLOCKED: Final = """
import asyncio, os, signal, time
from agents.process.ending import Ending
async def run():
    ending = Ending({seconds})
    ending.listen()
    for _ in range({signals}):
        os.kill(os.getpid(), signal.SIGTERM)
    while True:
        time.sleep(60)  # the loop never has its turn again
asyncio.run(run())
"""


class AtOnceError(Exception):
    """The process would have ended."""


class World:
    """A clock to turn, and what was asked of the process."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.armed: list[float] = []
        self.ending = Ending(20.0, clock=lambda: self.now, arm=self.armed.append, exit_at_once=self._exit)

    def _exit(self, code: int) -> NoReturn:
        raise AtOnceError(code)


async def test_the_first_signal_begins_the_end_and_the_second_ends_at_once() -> None:
    world = World()
    assert not world.ending.wanted.is_set()
    world.ending.tell(signal.SIGTERM)
    await asyncio.wait_for(world.ending.wanted.wait(), END_SECONDS)
    assert world.armed == [20.0]
    with pytest.raises(AtOnceError, match=r"^143$"):
        world.ending.tell(signal.SIGTERM)
    assert world.armed == [20.0]


async def test_a_signal_while_a_crash_is_being_ended_changes_nothing_but_its_successor_does() -> None:
    world = World()
    world.ending.begin()
    world.now += 5
    world.ending.tell(signal.SIGINT)
    assert world.armed == [20.0]
    assert world.ending.jobs_seconds == pytest.approx(10.0)
    with pytest.raises(AtOnceError, match=r"^130$"):
        world.ending.tell(signal.SIGINT)


async def test_jobs_get_three_quarters_of_the_time_and_nobody_gets_less_than_none() -> None:
    world = World()
    world.ending.begin()
    assert (world.ending.jobs_seconds, world.ending.group_seconds) == pytest.approx((15.0, 18.0))
    assert world.ending.closing_seconds == pytest.approx(19.4)
    world.now += 16
    assert (world.ending.jobs_seconds, world.ending.group_seconds) == pytest.approx((0.0, 2.0))
    world.now += 60
    assert (world.ending.jobs_seconds, world.ending.group_seconds) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("seconds", "signals", "code", "told"),
    [(0.2, 1, 1, r"Timeout \(0:00:00\.2"), (600, 2, 128 + signal.SIGTERM, r"^$")],
    ids=["at the deadline, saying where it hangs", "at the second signal"],
)
def test_a_process_whose_loop_hangs_ends_all_the_same(seconds: float, signals: int, code: int, told: str) -> None:
    program = BLOCKED.format(seconds=seconds, signals=signals)
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=END_SECONDS, check=False
    )
    assert ended.returncode == code
    assert re.match(told, ended.stderr)
