"""Erase, hold and release: what they do to previews, to events under way, and what they answer."""

import asyncio

import pytest

from agents.kafka.lane import LaneLimits, Record
from agents.lifecycle import HELD_SECONDS
from agents.row_names import expiry_row, lapse_row
from stream.failures import Held
from stream.messages import (
    Erase,
    Hold,
    Lapse,
    Order,
    Release,
    encode,
)
from stream.records.conversations import Answered
from stream.records.homes import partition_of
from tests.agents.changelogs import PARTITIONS
from tests.agents.order_cases import (
    CONVERSATION,
    ERASE,
    ERASE_AGAIN,
    EXPIRES_AT,
    HOLD,
    OTHER,
    RELEASE,
    Case,
    expiry,
    object_key,
)
from tests.agents.worlds import HOME, NOW, TOPICS


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
