"""Previews that expire while workers are killed, take over from each other, or have clocks that differ."""

import asyncio
from collections.abc import Sequence
from contextlib import nullcontext
from itertools import pairwise

import pytest

from agents.process.pipeline import LIFECYCLE_CONCURRENCY
from agents.row_names import expiry_row
from agents.side_by_side import AT_ONCE
from agents.storage.s3 import DELETED_AT_ONCE
from agents.tables.due import LOOKED_AT_ROWS
from stream.messages import Together, decode_lifecycle_command
from tests.agents.test_lifecycle import EXPIRES_AT, Life
from tests.agents.worlds import TOPICS

SKEW_SECONDS = 5.0
JOURNAL_A_PREVIEW = 2
"""What the journal has of one that expires: its result and its tombstone."""


class Killed(BaseException):
    """SIGKILL, as a step of the worker sees it: nothing after it is done."""


class DeadlyJournal(list[str]):
    """Kills the worker that is about to do something; what it had done until then stays."""

    def __init__(self, fatal: str) -> None:
        super().__init__()
        self._fatal = fatal

    def append(self, entry: str) -> None:
        if entry == self._fatal:
            raise Killed
        super().append(entry)


def successor_of(dead: Life) -> Life:
    """Return another worker that has read the table back; the storage is the same."""
    life = Life()
    life.store.objects = dead.store.objects
    life.world.recover(dead.world)
    life.world.clock.now = dead.world.clock.now
    return life


@pytest.mark.parametrize(
    ("fatal", "told"),
    [
        ("send lifecycle", 1),
        ("1 objects delete", 1),
        ("send results", 1),
        ("due delete", 2),  # the one moment in which a result comes twice
        ("", 1),  # all is done, but the offset is not committed
    ],
)
async def test_a_kill_before_any_step_of_an_expiry_loses_nothing_and_tells_twice_only_before_the_tombstone(
    fatal: str, told: int
) -> None:
    first = Life(journal=DeadlyJournal(fatal))
    await first.stored(1)
    first.world.clock.now = EXPIRES_AT
    with pytest.raises(Killed) if fatal else nullcontext():
        (value,) = await first.sweep()
        await first.obey(value)
    commands = [record.value or b"" for record in first.world.to(TOPICS.lifecycle)]
    second = successor_of(first)
    for command in [*commands, *await second.sweep()]:
        await second.obey(command)
    assert second.store.objects == {}
    assert second.world.waiting() == {}
    assert len(first.expired) + len(second.expired) == told


async def test_a_command_under_way_while_its_partition_moves_is_carried_out_once_by_the_next_owner() -> None:
    first = Life()
    await first.stored(3)
    first.world.clock.now = EXPIRES_AT
    (value,) = await first.sweep()
    first.store.hangs = asyncio.Event()
    running = asyncio.create_task(first.obey(value))
    async with asyncio.timeout(5):
        await first.store.hangs.wait()
    running.cancel()  # as a drain does with what is not done in time
    await asyncio.wait([running])
    first.world.due_rows.own(set())
    first.store.hangs = None
    second = successor_of(first)
    (again,) = await second.sweep()
    await asyncio.gather(second.obey(value), second.obey(again))
    assert first.expired == []
    assert sorted(second.expired) == [f"c/{number}.webp" for number in range(3)]
    assert second.world.waiting() == {}


async def test_a_command_that_comes_to_a_clock_that_is_behind_waits_there_and_is_not_lost() -> None:
    ahead = Life()
    await ahead.stored(1)
    ahead.world.clock.now = EXPIRES_AT
    (value,) = await ahead.sweep()
    behind = successor_of(ahead)
    behind.world.clock.now = EXPIRES_AT - SKEW_SECONDS
    await behind.obey(value)
    assert list(behind.world.waiting()) == [expiry_row("c/0.webp")]
    assert await behind.sweep() == []
    behind.world.clock.now = EXPIRES_AT
    for command in await behind.sweep():
        await behind.obey(command)
    assert behind.expired == ["c/0.webp"]


async def test_a_clock_that_is_ahead_ends_a_preview_no_earlier_than_it_is_ahead() -> None:
    life = Life()
    await life.stored(1)
    true_time = EXPIRES_AT - SKEW_SECONDS
    life.world.clock.now = true_time - 0.001 + SKEW_SECONDS
    assert await life.sweep() == []
    life.world.clock.now = true_time + SKEW_SECONDS
    (value,) = await life.sweep()
    await life.obey(value)
    assert life.expired == ["c/0.webp"]


async def test_thousands_of_one_second_go_in_records_and_deletions_of_a_thousand_and_leave_the_loop_its_turns() -> None:
    count = 4 * LOOKED_AT_ROWS + 1
    life = Life()
    await life.stored(count)
    life.world.clock.now = EXPIRES_AT
    values = await life.sweep()
    sizes = list(map(commands_of, values))
    assert (sum(sizes), max(sizes)) == (count, LOOKED_AT_ROWS)
    steps = await steps_between_turns(life, values)
    assert sorted(life.expired) == sorted(f"c/{number}.webp" for number in range(count))
    assert max(deletions(life)) <= DELETED_AT_ONCE
    assert len(deletions(life)) == len(values)
    assert max(steps) <= JOURNAL_A_PREVIEW * AT_ONCE * LIFECYCLE_CONCURRENCY


def commands_of(value: bytes) -> int:
    command = decode_lifecycle_command(value)
    return len(command.commands) if isinstance(command, Together) else 1


def deletions(life: Life) -> list[int]:
    return [int(entry.split()[0]) for entry in life.world.journal if entry.endswith("objects delete")]


async def steps_between_turns(life: Life, values: Sequence[bytes]) -> list[int]:
    """Carry commands out as the lane does, and count what is done each time before another task has its turn."""
    free = asyncio.Semaphore(LIFECYCLE_CONCURRENCY)

    async def obey(value: bytes) -> None:
        async with free:
            await life.obey(value)

    running = asyncio.gather(*map(obey, values))
    done = [len(life.world.journal)]
    while not running.done():
        await asyncio.sleep(0)
        done.append(len(life.world.journal))
    await running
    return [after - before for before, after in pairwise(done)]
