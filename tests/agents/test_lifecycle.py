"""Previews that expire at once are deleted and told of together."""

import pytest

from agents.lifecycle import TRIES_TOGETHER
from agents.row_names import expiry_row, is_expiry
from agents.side_by_side import AT_ONCE
from agents.tables.due import LOOK_AGAIN_SECONDS, DueRow
from stream.failures import Held, Reason, Retryable
from stream.messages import Expire, Forget, Together, decode_lifecycle_command, encode
from tests.agents.worlds import NOW, TOPICS, MemoryStore, World, at_home

EXPIRES_AT = NOW + 60
CONVERSATIONS = [at_home(name) for name in ("a", "b", "c")]


def expire(number: int) -> Expire:
    return Expire(
        event_id=f"e{number}",
        conversation_id=CONVERSATIONS[number % 3],
        object_key=f"c/{number}.webp",
        expires_at=EXPIRES_AT,
    )


class Life:
    """Stored previews with their due rows, and the agent that ends them."""

    def __init__(self, *, journal: list[str] | None = None) -> None:
        self.world = World(journal=[] if journal is None else journal)
        self.store = MemoryStore(self.world.journal)
        self.away: Held | None = None
        self.agent = self.world.lifecycle_agent(self.store, self.certainly_ours)

    async def stored(self, count: int) -> None:
        for number in range(count):
            command = expire(number)
            self.store.objects[command.object_key] = b"RIFF"
            row = DueRow(due_at=EXPIRES_AT, topic=TOPICS.lifecycle, key=b"c", value=encode(command))
            await self.world.due.put(2, expiry_row(command.object_key), row)

    async def sweep(self) -> list[bytes]:
        """Let the timer fire; return what it sent to [lifecycle]."""
        before = len(self.world.to(TOPICS.lifecycle))
        await self.world.due.sweep()
        return [record.value or b"" for record in self.world.to(TOPICS.lifecycle)[before:]]

    async def obey(self, value: bytes) -> None:
        await self.world.run(self.agent, value)

    def certainly_ours(self) -> None:
        if self.away is not None:
            raise self.away

    @property
    def expired(self) -> list[str]:
        return [record.object_key for record in self.world.lifecycle() if record.state == "expired"]


async def test_previews_that_expire_at_once_are_one_record_one_deletion_and_a_result_each() -> None:
    life = Life()
    count = 2 * AT_ONCE + 1
    await life.stored(count)
    life.world.clock.now = EXPIRES_AT
    (value,) = await life.sweep()
    assert len(life.world.waiting()) == count
    await life.obey(value)
    assert life.world.waiting() == {}
    assert life.store.objects == {}
    assert life.world.journal.count(f"{count} objects delete") == 1
    assert sorted(life.expired) == sorted(f"c/{number}.webp" for number in range(count))


async def test_a_preview_that_was_rendered_again_is_left_out() -> None:
    life = Life()
    await life.stored(3)
    life.world.clock.now = EXPIRES_AT
    (value,) = await life.sweep()
    later = DueRow(due_at=EXPIRES_AT + 60, topic=TOPICS.lifecycle, key=b"c", value=encode(expire(1)))
    await life.world.due.put(2, expiry_row("c/1.webp"), later)
    await life.obey(value)
    assert sorted(life.store.objects) == ["c/1.webp"]
    assert sorted(life.expired) == ["c/0.webp", "c/2.webp"]


async def test_while_the_storage_is_away_nothing_is_told_and_all_of_it_comes_again() -> None:
    life = Life()
    await life.stored(3)
    life.world.clock.now = EXPIRES_AT
    (value,) = await life.sweep()
    life.store.failing = Retryable(Reason.STORAGE_UNAVAILABLE, "away")
    await life.obey(value)
    assert life.expired == []
    (again,) = [row for name, row in life.world.waiting().items() if not is_expiry(name)]
    assert again.value == value
    life.store.failing = None
    await life.obey(value)
    assert len(life.expired) == 3
    assert life.store.objects == {}


async def test_one_that_the_storage_refuses_keeps_no_other_and_becomes_a_dead_letter_of_its_own() -> None:
    life = Life()
    await life.stored(3)
    life.world.clock.now = EXPIRES_AT
    (value,) = await life.sweep()
    life.store.refused = {"c/1.webp"}
    await life.obey(value)
    assert life.expired == []
    for alone in await life.sweep():
        await life.obey(alone)
    assert sorted(life.expired) == ["c/0.webp", "c/2.webp"]
    (letter,) = life.world.dead_letters()
    command = decode_lifecycle_command(letter.payload)
    assert isinstance(command, Together)
    assert [one.event_id for one in command.commands] == ["e1"]


async def test_one_at_which_the_storage_fails_each_time_keeps_no_other() -> None:
    life = Life()
    await life.stored(3)
    life.world.clock.now = EXPIRES_AT
    (value,) = await life.sweep()
    life.store.failing_keys = {"c/1.webp"}
    for attempt in range(1, TRIES_TOGETHER + 1):
        await life.world.run(life.agent, value, {"attempt": str(attempt).encode()})
    for alone in await life.sweep():
        await life.obey(alone)
    assert sorted(life.expired) == ["c/0.webp", "c/2.webp"]
    assert life.world.dead_letters() == []


async def test_a_clock_that_is_behind_waits_for_the_latest_of_them() -> None:
    life = Life()
    await life.stored(2)
    life.world.clock.now = EXPIRES_AT
    (value,) = await life.sweep()
    life.world.clock.now = EXPIRES_AT - 5
    await life.obey(value)
    assert len(life.store.objects) == 2
    assert await life.sweep() == []
    life.world.clock.now = EXPIRES_AT
    assert await life.sweep() == [value]
    await life.obey(value)
    assert sorted(life.expired) == ["c/0.webp", "c/1.webp"]


async def test_a_command_that_comes_again_tells_nothing_again() -> None:
    life = Life()
    await life.stored(3)
    life.world.clock.now = EXPIRES_AT
    (value,) = await life.sweep()
    await life.obey(value)
    await life.obey(value)
    assert len(life.expired) == 3


async def test_a_command_whose_worker_was_killed_before_it_told_is_carried_out_again() -> None:
    life = Life()
    await life.stored(2)
    life.world.clock.now = EXPIRES_AT
    (value,) = await life.sweep()
    life.store.objects.clear()
    await life.obey(value)
    assert len(life.expired) == 2
    assert life.world.waiting() == {}


async def test_a_worker_whose_partitions_may_be_anothers_deletes_nothing() -> None:
    life = Life()
    await life.stored(1)
    life.world.clock.now = EXPIRES_AT
    (value,) = await life.sweep()
    life.away = Held(Reason.MEMBERSHIP_UNCERTAIN, "whose?", 1.0)
    with pytest.raises(Held):
        await life.obey(value)
    assert (len(life.store.objects), life.expired) == (1, [])
    life.away = None
    await life.obey(value)
    assert (len(life.store.objects), life.expired) == (0, ["c/0.webp"])


async def test_a_row_that_stays_is_looked_at_again_when_nobody_has_carried_its_command_out() -> None:
    life = Life()
    await life.stored(1)
    life.world.clock.now = EXPIRES_AT
    first = await life.sweep()
    assert await life.sweep() == []
    life.world.clock.now += LOOK_AGAIN_SECONDS
    assert await life.sweep() == first


async def test_while_nobody_carries_a_command_out_it_is_sent_ever_more_seldom() -> None:
    life = Life()
    await life.stored(1)
    sent = 0
    for quarter in range(4 * 24):
        life.world.clock.now = EXPIRES_AT + quarter * LOOK_AGAIN_SECONDS / 4
        sent += len(await life.sweep())
    assert sent == 6  # after 0, 1, 2, 4, 8 and 16 hours


async def test_an_order_without_a_row_is_carried_out_when_the_object_is_there() -> None:
    life = Life()
    life.store.objects["c/1.webp"] = b"RIFF"
    await life.obey(encode(expire(1)))
    assert life.expired == []
    life.world.clock.now = EXPIRES_AT
    (value,) = await life.sweep()
    await life.obey(value)
    assert life.expired == ["c/1.webp"]
    life.store.objects["c/1.webp"] = b"RIFF"
    await life.obey(value)
    assert life.expired == ["c/1.webp", "c/1.webp"]
    assert life.store.objects == {}


async def test_rows_that_are_to_be_forgotten_go_with_them() -> None:
    life = Life()
    await life.stored(1)
    forget = DueRow(due_at=EXPIRES_AT, topic=TOPICS.lifecycle, key=b"c", value=encode(Forget(event_id="e9")))
    await life.world.due.put(2, "forget/e9", forget)
    life.world.clock.now = EXPIRES_AT
    (value,) = await life.sweep()
    await life.obey(value)
    assert life.expired == ["c/0.webp"]
    assert list(life.world.links.items(2)) == []


@pytest.mark.parametrize("value", [b"{not json", encode(Together(commands=(expire(0),)))])
async def test_what_is_no_single_command_is_sent_as_it_is(value: bytes) -> None:
    life = Life()
    for key in ("one", "two"):
        await life.world.due.put(2, key, DueRow(due_at=EXPIRES_AT, topic=TOPICS.lifecycle, key=b"c", value=value))
    life.world.clock.now = EXPIRES_AT
    assert await life.sweep() == [value, value]
