"""Reading through the real SDK, from the simulator."""

from collections.abc import AsyncIterator

import pytest

from stream.backfill.command import create_api
from stream.backfill.reading import GuestFile, Reader
from stream.backfill.settings import BackfillSettings
from stream.backfill.window import DAY_SECONDS, Window
from stream.failures import Refused
from stream.genesys.api import Api
from stream.settings import Secret
from tests.harness.genesys import Simulator, SimulatorSettings
from tests.harness.genesys.conversations import INBOUND, OUTBOUND, Conversation, Message

NOON = 20_000 * DAY_SECONDS + DAY_SECONDS / 2
TODAY = Window(NOON - DAY_SECONDS / 2, NOON + DAY_SECONDS / 2)
WINDOW = Window(NOON - 3600, NOON + 3600)


def backfill_settings(base_url: str) -> BackfillSettings:
    return BackfillSettings(
        genesys_base_url=base_url,
        genesys_client_id="simulated-client",
        genesys_client_secret=Secret("simulated-secret"),
        genesys_timeout_seconds=5.0,
    )


def converse(simulator: Simulator, conversation_id: str, *, started_at: float = NOON) -> Conversation:
    conversation = simulator.state.create(conversation_id)
    conversation.started_at = started_at
    return conversation


def send(
    simulator: Simulator, conversation: Conversation, *names: str, at: float = NOON, direction: str = INBOUND
) -> Message:
    ids = [simulator.state.files.add(name, "image/png", name.encode()).id for name in names]
    message = simulator.state.conversations.add(conversation, call="test", direction=direction, file_ids=ids)
    message.at = at
    return message


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(SimulatorSettings(calls_per_minute=0, auto_create=False)) as running:
        yield running


@pytest.fixture
async def api(simulator: Simulator) -> AsyncIterator[Api]:
    made = create_api(backfill_settings(simulator.base_url), 1_000_000)
    yield made
    await made.close()


def names(files: list[GuestFile]) -> list[str]:
    return [file.attachment.file_name for file in files]


async def test_conversations_of_a_day_come_page_by_page(simulator: Simulator, api: Api) -> None:
    wanted = [f"conversation-{number}" for number in range(230)]
    for number, conversation_id in enumerate(wanted):
        converse(simulator, conversation_id, started_at=NOON + number)
    converse(simulator, "yesterday", started_at=NOON - DAY_SECONDS)
    converse(simulator, "tomorrow", started_at=TODAY.until)
    assert await Reader(api.call, WINDOW).conversations(TODAY) == wanted
    assert simulator.state.calls["query_conversations"] == 3


async def test_a_day_of_whole_pages_or_of_none_ends(simulator: Simulator, api: Api) -> None:
    reader = Reader(api.call, WINDOW)
    assert await reader.conversations(TODAY) == []
    for number in range(100):
        converse(simulator, f"conversation-{number}")
    assert len(await reader.conversations(TODAY)) == 100


async def test_a_conversation_that_had_ended_before_the_window_is_not_read(simulator: Simulator, api: Api) -> None:
    for name, at in (("ended", WINDOW.since - 1), ("ended-within", WINDOW.since + 1)):
        conversation = converse(simulator, name, started_at=TODAY.since)
        send(simulator, conversation, "a.png", at=at)
        for participant in conversation.participants:
            participant.ended = True
    assert await Reader(api.call, WINDOW).conversations(TODAY) == ["ended-within"]


@pytest.mark.parametrize("shape", ["legs", "model"])
async def test_the_guests_files_of_the_window_are_found(simulator: Simulator, api: Api, shape: str) -> None:
    simulator.state.settings = SimulatorSettings(calls_per_minute=0, history_shape=shape)  # type: ignore[arg-type]
    conversation = converse(simulator, "conversation")
    send(simulator, conversation, "late.png", at=WINDOW.until)
    send(simulator, conversation, "two.png", "three.png", at=NOON + 1)
    send(simulator, conversation, "ours.png", direction=OUTBOUND)
    send(simulator, conversation)
    send(simulator, conversation, "one.png", at=NOON)
    send(simulator, conversation, "early.png", at=WINDOW.since - 1)
    files = await Reader(api.call, WINDOW).files("conversation")
    assert names(files) == ["one.png", "two.png", "three.png"]
    assert [file.sent_at for file in files] == [NOON, NOON + 1, NOON + 1]


async def test_a_file_is_told_as_the_webhook_would_have_told_it(simulator: Simulator, api: Api) -> None:
    conversation = converse(simulator, "conversation")
    message = send(simulator, conversation, "one.png")
    (file,) = await Reader(api.call, WINDOW).files("conversation")
    view = simulator.state.files.view(message.file_ids[0], simulator.base_url)
    assert view is not None
    assert file.attachment.event_id == f"{message.id}:{view['id']}"
    assert file.attachment.attachment_url == view["url"]
    assert (file.attachment.mime_type, file.attachment.size_bytes) == ("image/png", 7)
    assert file.attachment.sha256 == view["sha256"]


async def test_more_messages_than_one_call_takes_are_read_in_several(simulator: Simulator, api: Api) -> None:
    conversation = converse(simulator, "conversation")
    for number in range(1_001):
        send(simulator, conversation, at=NOON + number)
    send(simulator, conversation, "one.png")
    assert names(await Reader(api.call, WINDOW).files("conversation")) == ["one.png"]
    assert simulator.state.calls["get_bodies"] == 2
    assert simulator.state.statuses["400"] == 0


async def test_a_conversation_without_messages_in_the_window_costs_one_call(simulator: Simulator, api: Api) -> None:
    send(simulator, converse(simulator, "conversation"), "early.png", at=WINDOW.since - 1)
    assert await Reader(api.call, WINDOW).files("conversation") == []
    assert simulator.state.calls["get_bodies"] == 0


async def test_files_on_hosts_that_serve_our_previews_are_left_out(simulator: Simulator, api: Api) -> None:
    send(simulator, converse(simulator, "conversation"), "one.png")
    assert await Reader(api.call, WINDOW, own_hosts=["127.0.0.1"]).files("conversation") == []


async def test_a_conversation_that_is_not_there_is_refused(api: Api) -> None:
    with pytest.raises(Refused):
        await Reader(api.call, WINDOW).files("nobody")
