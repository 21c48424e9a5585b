"""Rows of events that can no longer come again end, and those that were renewed meanwhile do not."""

from tests.agents.test_link import Bench
from tests.agents.worlds import NOW, SentRecord

LIFETIME = 7200.0


class Life(Bench):
    """A link agent with the lifecycle agent that ends its rows."""

    def __init__(self) -> None:
        super().__init__()
        self.ender = self.world.lifecycle_agent(self.store)

    async def sweep(self) -> list[SentRecord]:
        """Let the timer fire; return the commands that it sent."""
        before = len(self.world.to("lifecycle"))
        await self.world.due.sweep()
        return self.world.to("lifecycle")[before:]

    async def obey(self, command: SentRecord) -> None:
        assert command.partition == 2
        await self.world.run(self.ender, command.value)

    @property
    def rows(self) -> list[str]:
        return [key for key, _ in self.world.links.items(2)] + list(self.world.waiting())


async def test_no_row_is_left_of_an_event_whose_time_is_over() -> None:
    life = Life()
    await life.deliver()
    assert set(life.rows) == {"e1", "forget/e1"}
    life.world.clock.now = NOW + LIFETIME - 1
    assert await life.sweep() == []
    life.world.clock.now = NOW + LIFETIME
    (command,) = await life.sweep()
    await life.obey(command)
    assert life.rows == []


async def test_a_copy_does_not_make_the_row_live_longer() -> None:
    life = Life()
    await life.deliver()
    life.world.clock.now = NOW + 100
    await life.deliver()
    assert life.world.waiting()["forget/e1"].due_at == NOW + LIFETIME


async def test_an_order_to_forget_that_is_read_again_leaves_a_row_that_was_made_since() -> None:
    life = Life()
    await life.deliver()
    life.world.clock.now = NOW + LIFETIME
    (old_command,) = await life.sweep()
    await life.obey(old_command)
    life.conversation.said.clear()  # the conversation is not the same any more
    life.world.clock.now = NOW + 1  # so that the preview is still there
    await life.deliver({"replays": b"1"})
    await life.obey(old_command)
    assert set(life.rows) == {"e1", "forget/e1"}


async def test_a_replay_whose_row_was_forgotten_finds_what_was_said_and_makes_the_row_anew() -> None:
    life = Life()
    await life.deliver()
    await life.world.links.delete(2, "e1")
    await life.world.due_rows.delete(2, "forget/e1")
    await life.deliver({"replays": b"1"})
    assert (len(life.conversation.said), life.conversation.looked) == (1, 1)
    assert set(life.rows) == {"e1", "forget/e1"}
    assert {outcome.message_id for outcome in life.world.outcomes()} == {"m1"}
    await life.deliver({"replays": b"2"})
    assert (len(life.conversation.said), life.conversation.looked) == (1, 1)


async def test_a_first_delivery_does_not_look() -> None:
    life = Life()
    await life.deliver()
    assert life.conversation.looked == 0
