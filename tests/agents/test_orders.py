"""Erase, hold and release: what they do to previews, to events under way, and what they answer."""

import asyncio

import pytest

from agents.kafka.lane import LaneLimits, Record
from agents.lifecycle import HELD_SECONDS
from agents.object_keys import conversation_prefix
from agents.routing import Agent, Task
from agents.row_names import expiry_row, is_expiry, lapse_row, retry_row
from agents.said import LinkRow
from agents.tables.due import DueRow
from stream.failures import Held, Reason, Retryable, Stage
from stream.messages import (
    Attachment,
    Erase,
    Expire,
    Hold,
    Lapse,
    Order,
    Release,
    decode_attachment,
    encode,
)
from stream.records.conversations import Answered
from stream.records.headers import Delivery, as_dict
from stream.records.homes import partition_of
from tests.agents.changelogs import PARTITIONS
from tests.agents.worlds import HOME, NOW, SECRET, TOPICS, MemoryStore, World, at_home

EXPIRES_AT = NOW + 60
CONVERSATION = "conversation"
OTHER = at_home("other")
ERASE = Erase(conversation_id=CONVERSATION, order_id="o1", by="ada", note="article 17")
ERASE_AGAIN = Erase(conversation_id=CONVERSATION, order_id="o4")
HOLD = Hold(conversation_id=CONVERSATION, order_id="o2")
RELEASE = Release(conversation_id=CONVERSATION, order_id="o3")


class Case:
    """Stored previews of two conversations, and the agent that obeys."""

    def __init__(self) -> None:
        self.world = World()
        self.lease_ended = False
        self.store = MemoryStore(self.world.journal)
        self.agent = self.world.lifecycle_agent(self.store, self.certainly_ours)

    def certainly_ours(self) -> None:
        if self.lease_ended:
            raise Held(Reason.MEMBERSHIP_UNCERTAIN, "frozen", 1.0)

    async def store_previews(self, conversation_id: str = CONVERSATION, count: int = 2) -> None:
        for number in range(count):
            key = object_key(conversation_id, number)
            self.store.objects[key] = b"RIFF"
            await self.world.due.put(HOME, expiry_row(key), expiry(conversation_id, key))

    async def order(self, order: Order) -> None:
        await self.world.run(self.agent, encode(order), topic=TOPICS.lifecycle)

    async def live_until(self, moment: float) -> None:
        """Let the timer fire until a time, and the agent carry out what it sends."""
        self.world.clock.now = moment
        before = len(self.world.to(TOPICS.lifecycle))
        await self.world.due.sweep()
        for record in self.world.to(TOPICS.lifecycle)[before:]:
            await self.world.run(self.agent, record.value, record.headers)

    def told(self, state: str) -> list[str]:
        return sorted(one.object_key for one in self.world.lifecycle() if one.state == state)

    def answered(self) -> list[tuple[str, str, int]]:
        return [(one.order_id, one.state, one.previews) for one in self.world.answers()]


def object_key(conversation_id: str, number: int) -> str:
    return f"{conversation_prefix(SECRET, conversation_id)}{number:040x}.webp"


def expiry(conversation_id: str, key: str, *, expires_at: float = EXPIRES_AT) -> DueRow:
    command = Expire(event_id=f"e-{key[-6:]}", conversation_id=conversation_id, object_key=key, expires_at=expires_at)
    return DueRow(due_at=expires_at, topic=TOPICS.lifecycle, key=conversation_id.encode(), value=encode(command))


async def test_an_erasure_deletes_the_previews_of_its_conversation_alone_and_says_so() -> None:
    case = Case()
    await case.store_previews()
    await case.store_previews(OTHER)
    await case.order(ERASE)
    assert sorted(case.store.objects) == [object_key(OTHER, 0), object_key(OTHER, 1)]
    assert case.told("erased") == [object_key(CONVERSATION, 0), object_key(CONVERSATION, 1)]
    (answer,) = case.world.answers()
    assert (answer.command, answer.state, answer.previews, answer.by, answer.note) == (
        "erase",
        "erased",
        2,
        "ada",
        "article 17",
    )


async def test_an_erasure_also_finds_objects_that_no_row_knows() -> None:
    case = Case()
    case.store.objects[object_key(CONVERSATION, 7)] = b"RIFF"
    await case.order(ERASE)
    assert case.store.objects == {}
    assert case.answered() == [("o1", "erased", 1)]


async def test_an_erasure_that_comes_again_deletes_and_tells_nothing_again() -> None:
    case = Case()
    await case.store_previews()
    await case.order(ERASE)
    await case.order(ERASE)
    await case.order(ERASE_AGAIN)
    assert case.answered() == [("o1", "erased", 2), ("o1", "erased", 2), ("o4", "erased", 0)]
    assert len(case.told("erased")) == 2


async def test_orders_that_come_again_after_others_were_carried_out_change_nothing() -> None:
    case = Case()
    await case.store_previews()
    early_release = Release(conversation_id=CONVERSATION, order_id="o0")
    await case.order(early_release)
    await case.order(HOLD)
    await case.order(ERASE)
    await case.order(early_release)
    assert case.world.conversations.is_held(HOME, CONVERSATION)
    await case.order(RELEASE)
    for delivered_again in (HOLD, ERASE):
        await case.order(delivered_again)
        assert not case.world.conversations.is_held(HOME, CONVERSATION)
    assert len(case.store.objects) == 2
    answers = [(one.order_id, one.state) for one in case.world.answers()]
    before, again = answers[:5], answers[5:]
    assert before == [("o0", "released"), ("o2", "held"), ("o1", "refused"), ("o0", "released"), ("o3", "released")]
    assert again == [("o2", "held"), ("o1", "refused")]


async def test_as_many_orders_as_a_crash_delivers_again_are_answered_as_before() -> None:
    case = Case()
    await case.store_previews()
    await case.order(HOLD)
    await case.order(ERASE)
    for number in range(LaneLimits(concurrency=1).window - 1):
        await case.order(Release(conversation_id=CONVERSATION, order_id=f"release {number}"))
    await case.order(ERASE)
    assert case.answered()[-1] == ("o1", "refused", 0)
    assert len(case.store.objects) == 2


async def test_orders_that_their_sender_gave_one_id_are_each_carried_out() -> None:
    case = Case()
    await case.store_previews()
    for order in (Hold, Release, Erase):
        await case.order(order(conversation_id=CONVERSATION, order_id="case 7"))
    answers = [(one.command, one.state) for one in case.world.answers()]
    assert answers == [("hold", "held"), ("release", "released"), ("erase", "erased")]
    assert case.store.objects == {}


async def test_orders_without_an_id_are_new_ones_each_time() -> None:
    case = Case()
    for order in (Hold, Release, Hold):
        await case.order(order(conversation_id=CONVERSATION))
    assert case.world.conversations.is_held(HOME, CONVERSATION)


async def test_a_hold_outlives_the_memory_of_its_order() -> None:
    case = Case()
    await case.order(HOLD)
    await case.live_until(NOW + 10_000)
    assert case.world.conversations.is_held(HOME, CONVERSATION)


async def test_a_worker_whose_partitions_may_be_anothers_deletes_and_tells_nothing() -> None:
    case = Case()
    await case.store_previews()
    case.lease_ended = True
    with pytest.raises(Held):
        await case.order(ERASE)
    assert len(case.store.objects) == 2
    assert case.told("erased") == []


async def test_where_nothing_can_be_listed_the_rows_say_what_is_erased() -> None:
    case = Case()
    await case.store_previews()
    case.store.lists = False
    await case.order(ERASE)
    assert case.store.objects == {}
    assert case.answered() == [("o1", "erased", 2)]


async def test_a_put_that_was_given_up_and_lands_after_the_erasure_is_deleted_too() -> None:
    case = Case()
    await case.store_previews(count=1)
    landed = case.store.objects.popitem()
    await case.order(ERASE)
    case.store.objects.update([landed])
    await case.live_until(NOW + 61)
    assert case.store.objects == {}
    assert case.told("erased") == [landed[0]]
    assert [name for name in case.world.waiting() if is_expiry(name)] == []


@pytest.mark.parametrize("lists", [True, False])
async def test_a_second_put_that_was_given_up_and_lands_after_the_erasure_is_deleted_too(lists: bool) -> None:  # noqa: FBT001
    case = Case()
    case.store.lists = lists
    key = object_key(CONVERSATION, 0)
    case.store.objects[key] = b"RIFF"
    await case.world.due.put(HOME, expiry_row(key), expiry(CONVERSATION, key, expires_at=NOW + 1000))
    await case.order(ERASE)
    assert case.store.objects == {}
    case.store.objects[key] = b"RIFF"
    await case.live_until(NOW + 60)
    assert case.store.objects == {}
    assert (case.told("erased"), case.answered()) == ([key], [("o1", "erased", 1)])


async def test_what_an_erasure_lets_expire_before_its_time_is_told_once_although_its_command_comes_again() -> None:
    case = Case()
    key = object_key(CONVERSATION, 0)
    await case.world.due.put(HOME, expiry_row(key), expiry(CONVERSATION, key, expires_at=NOW + 5000))
    await case.order(ERASE)
    await case.live_until(NOW + 60)
    (sent,) = case.world.to(TOPICS.lifecycle)
    await case.world.run(case.agent, sent.value)
    await case.live_until(NOW + 5000)
    assert case.told("erased") == [key]


async def test_an_expiry_that_was_sent_before_the_erasure_tells_nothing_more() -> None:
    case = Case()
    await case.store_previews()
    case.world.clock.now = EXPIRES_AT
    await case.world.due.sweep()
    (sent,) = case.world.to(TOPICS.lifecycle)
    await case.order(ERASE)
    await case.world.run(case.agent, sent.value)
    assert (len(case.told("erased")), len(case.told("expired"))) == (2, 0)


async def test_while_the_storage_is_away_an_erasure_is_remembered_and_tried_again() -> None:
    case = Case()
    await case.store_previews()
    case.store.failing = Retryable(Reason.STORAGE_UNAVAILABLE, "away")
    await case.order(ERASE)
    assert case.world.conversations.is_erased(HOME, CONVERSATION)
    assert case.answered() == []
    case.store.failing = None
    (again,) = [row for name, row in case.world.waiting().items() if name.startswith("again/")]
    await case.world.run(case.agent, again.value, dict(again.headers))
    assert case.answered() == [("o1", "erased", 2)]


async def test_an_object_that_the_storage_refuses_to_delete_keeps_no_other_and_leaves_a_dead_letter() -> None:
    case = Case()
    await case.store_previews(count=3)
    case.store.refused = {object_key(CONVERSATION, 1)}
    await case.order(ERASE)
    assert list(case.store.objects) == [object_key(CONVERSATION, 1)]
    assert case.told("erased") == [object_key(CONVERSATION, 0), object_key(CONVERSATION, 2)]
    assert case.answered() == []
    (letter,) = case.world.dead_letters()
    assert (letter.event_id, letter.reason) == ("o1", "storage_refused")
    case.store.refused = set()
    await case.order(ERASE)
    assert case.answered() == [("o1", "erased", 1)]


async def test_waiting_retries_of_an_erased_conversation_come_at_once() -> None:
    case = Case()
    later = DueRow(due_at=NOW + 3000, topic=TOPICS.attachments, key=b"k", value=b"{}")
    await case.world.due.put(HOME, retry_row(CONVERSATION, "attachments/1/0"), later)
    await case.world.due.put(HOME, retry_row(OTHER, "attachments/2/0"), later)
    await case.order(ERASE)
    await case.world.due.sweep()
    assert len(case.world.to(TOPICS.attachments)) == 1
    assert retry_row(OTHER, "attachments/2/0") in case.world.waiting()


async def test_an_event_of_an_erased_conversation_ends_as_erased_and_leaves_no_name() -> None:
    case = Case()
    await case.order(ERASE)
    await case.world.run(attachments(case), encode(ATTACHMENT))
    (outcome,) = case.world.outcomes()
    assert (outcome.outcome, outcome.verdict, outcome.file_name) == ("rejected", "erased", "")


async def test_what_fails_while_its_conversation_is_erased_is_neither_tried_again_nor_a_dead_letter() -> None:
    case = Case()

    async def run(task: object) -> None:
        del task
        await case.order(ERASE)
        raise Retryable(Reason.SOURCE_TIMEOUT, "slow")

    await case.world.run(Agent(stage=Stage.DOWNLOAD, decode=decode_attachment, run=run), encode(ATTACHMENT))
    assert [one.verdict for one in case.world.outcomes()] == ["erased"]
    assert not [name for name in case.world.waiting() if name.startswith("again/")]


async def test_what_a_killed_worker_had_stored_before_it_knew_of_the_erasure_goes_when_its_event_comes_again() -> None:
    case = Case()
    await case.order(ERASE)
    await case.store_previews(count=1)
    await case.world.run(attachments(case), encode(ATTACHMENT))
    await case.live_until(NOW + 60)
    assert case.store.objects == {}
    assert len(case.told("erased")) == 1


async def test_what_was_left_of_an_erased_conversation_goes_although_the_first_look_was_cut_off() -> None:
    case = Case()
    await case.order(ERASE)
    key = object_key(CONVERSATION, 0)
    case.store.objects[key] = b"RIFF"
    await case.world.due.put(HOME, expiry_row(key), expiry(CONVERSATION, key, expires_at=NOW + 5000))
    case.world.due_log.failing = Held(Reason.MEMBERSHIP_UNCERTAIN, "whose?", 1.0)
    with pytest.raises(Held):
        await case.world.run(attachments(case), encode(ATTACHMENT))
    case.world.due_log.failing = None
    await case.world.run(attachments(case), encode(ATTACHMENT))
    await case.live_until(NOW + 60)
    assert case.store.objects == {}


async def test_a_copy_of_an_event_that_was_said_before_the_erasure_gets_no_second_end() -> None:
    case = Case()
    await case.world.links.put(HOME, ATTACHMENT.event_id, LinkRow(state="sent", message_id="m1"))
    await case.order(ERASE)
    await case.world.run(attachments(case), encode(ATTACHMENT))
    assert case.world.outcomes() == []


async def test_a_copy_that_is_being_rendered_when_its_conversation_is_erased_gets_no_second_end() -> None:
    case = Case()
    await case.world.links.put(HOME, ATTACHMENT.event_id, LinkRow(state="sent", message_id="m1"))

    async def run(task: Task[Attachment]) -> None:
        await case.order(ERASE)
        case.world.conversations.refuse_erased(HOME, task.message.conversation_id)

    await case.world.run(Agent(stage=Stage.DOWNLOAD, decode=decode_attachment, run=run), encode(ATTACHMENT))
    assert case.world.outcomes() == []


@pytest.mark.parametrize("delivery", [Delivery(attempt=2, renders=1), Delivery(replays=1)])
async def test_a_file_that_is_rendered_again_ends_as_erased_although_a_post_of_it_was_tried(delivery: Delivery) -> None:
    case = Case()
    await case.world.links.put(HOME, ATTACHMENT.event_id, LinkRow(state="sending", not_before=NOW))
    await case.order(ERASE)
    await case.world.run(attachments(case), encode(ATTACHMENT), as_dict(delivery.to_headers()))
    assert [one.verdict for one in case.world.outcomes()] == ["erased"]


async def test_a_held_preview_stays_past_its_time_and_expires_once_released() -> None:
    case = Case()
    await case.store_previews()
    await case.order(HOLD)
    await case.live_until(EXPIRES_AT)
    await case.live_until(EXPIRES_AT + HELD_SECONDS)
    assert len(case.store.objects) == 2
    await case.order(RELEASE)
    await case.live_until(case.world.clock.now)
    assert case.store.objects == {}
    assert len(case.told("expired")) == 2
    assert case.answered() == [("o2", "held", 2), ("o3", "released", 2)]


async def test_a_preview_that_is_released_before_its_time_expires_at_its_time() -> None:
    case = Case()
    await case.store_previews()
    await case.order(HOLD)
    await case.order(RELEASE)
    await case.live_until(EXPIRES_AT - 1)
    assert len(case.store.objects) == 2
    await case.live_until(EXPIRES_AT)
    assert case.store.objects == {}


async def test_a_hold_stands_against_an_erasure_until_it_is_released() -> None:
    case = Case()
    await case.store_previews()
    await case.order(HOLD)
    await case.order(ERASE)
    assert len(case.store.objects) == 2
    await case.order(RELEASE)
    await case.order(ERASE_AGAIN)
    assert case.store.objects == {}
    assert [(one.command, one.state) for one in case.world.answers()] == [
        ("hold", "held"),
        ("erase", "refused"),
        ("release", "released"),
        ("erase", "erased"),
    ]


@pytest.mark.parametrize("order", [HOLD, RELEASE])
async def test_what_is_erased_can_be_neither_held_nor_released(order: Order) -> None:
    case = Case()
    await case.order(ERASE)
    await case.order(order)
    assert case.world.answers()[-1].state == "refused"
    assert case.world.conversations.is_erased(HOME, CONVERSATION)


async def test_releasing_what_is_not_held_is_answered() -> None:
    case = Case()
    await case.order(RELEASE)
    assert case.answered() == [("o3", "released", 0)]


async def test_an_order_without_an_id_is_answered_under_the_same_one_each_time() -> None:
    case = Case()
    for _ in range(2):
        await case.order(Erase(conversation_id=CONVERSATION))
    first, second = case.world.answers()
    assert first.order_id == second.order_id != ""


async def test_an_order_in_another_partition_is_sent_to_the_home_of_its_conversation() -> None:
    case = Case()
    away = Erase(conversation_id="somebody", order_id="o9")
    await case.order(away)
    (sent,) = case.world.to(TOPICS.lifecycle)
    assert (sent.key, sent.value, sent.partition != HOME) == (b"somebody", encode(away), True)
    assert case.world.answers() == []


@pytest.mark.parametrize("held", [True, False])
async def test_an_expiry_in_another_partition_is_carried_out_where_its_conversation_may_be_held(held: bool) -> None:  # noqa: FBT001
    case = Case()
    elsewhere = "somebody"
    key = object_key(elsewhere, 0)
    case.store.objects[key] = b"RIFF"
    await case.world.due.put(HOME, expiry_row(key), expiry(elsewhere, key))
    home = partition_of(elsewhere.encode(), PARTITIONS)
    if held:
        await case.world.conversations.note(
            home, Hold(conversation_id=elsewhere), Answered(order_id="o", command="hold", state="held", at=NOW)
        )
    await case.live_until(EXPIRES_AT)
    sent = case.world.to(TOPICS.lifecycle)[-1]
    assert (sent.partition, expiry_row(key) in case.world.waiting(), key in case.store.objects) == (home, False, True)
    record = Record(TOPICS.lifecycle, home, 7, sent.key, sent.value, {})
    await case.world.routing.job(case.agent)(record)
    assert (key in case.store.objects, case.told("expired")) == ((True, []) if held else (False, [key]))


async def test_an_erasure_is_forgotten_when_no_record_can_come_any_more() -> None:
    case = Case()
    await case.order(ERASE)
    lapse = case.world.waiting()[lapse_row(CONVERSATION)]
    assert lapse.due_at == NOW + 10_000
    await case.live_until(lapse.due_at)
    assert not case.world.conversations.is_erased(HOME, CONVERSATION)


async def test_an_erasure_that_was_ordered_again_meanwhile_is_not_forgotten() -> None:
    case = Case()
    await case.order(ERASE)
    case.world.clock.now += 5000
    await case.order(ERASE)
    await case.world.run(case.agent, encode(Lapse(conversation_id=CONVERSATION)))
    assert case.world.conversations.is_erased(HOME, CONVERSATION)


async def test_an_erasure_waits_for_what_is_being_stored_of_its_conversation() -> None:
    case = Case()
    async with case.world.conversations.locks.of(CONVERSATION):
        ordered = asyncio.create_task(case.order(ERASE))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not case.world.conversations.is_erased(HOME, CONVERSATION)
        await case.store_previews(count=1)
    await ordered
    assert case.store.objects == {}


def attachments(case: Case) -> Agent[Attachment]:
    """Return an agent that must not be reached."""

    async def run(task: object) -> None:
        case.world.journal.append(f"ran {task}")
        raise AssertionError

    return Agent(stage=Stage.DOWNLOAD, decode=decode_attachment, run=run)


ATTACHMENT = Attachment(
    event_id="e1", conversation_id=CONVERSATION, attachment_url="https://f.example/a.png", file_name="a.png"
)
