"""What an erasure does to previews, wherever they are, and to events under way."""

import pytest

from agents.routing import Agent, Task
from agents.row_names import expiry_row, is_expiry, retry_row
from agents.said import LinkRow
from agents.tables.due import DueRow
from stream.failures import Held, Reason, Retryable, Stage
from stream.messages import (
    Attachment,
    decode_attachment,
    encode,
)
from stream.records.headers import Delivery, as_dict
from tests.agents.order_cases import CONVERSATION, ERASE, EXPIRES_AT, OTHER, Case, expiry, object_key
from tests.agents.worlds import HOME, NOW, TOPICS


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


def attachments(case: Case) -> Agent[Attachment]:
    """Return an agent that must not be reached."""

    async def run(task: object) -> None:
        case.world.journal.append(f"ran {task}")
        raise AssertionError

    return Agent(stage=Stage.DOWNLOAD, decode=decode_attachment, run=run)


ATTACHMENT = Attachment(
    event_id="e1", conversation_id=CONVERSATION, attachment_url="https://f.example/a.png", file_name="a.png"
)
