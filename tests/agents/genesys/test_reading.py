import asyncio
import urllib.error
import urllib.request
from collections.abc import Mapping

import pytest

from agents.genesys import create_genesys
from stream.breaker import Breaker, State
from stream.failures import Held, Reason, Refused, Rejected, Retryable
from stream.genesys.rate import RateShare
from stream.messages import Attachment
from tests.agents.genesys.conftest import NEEDLE, URL, Connect, add_file, link, worker_settings
from tests.harness.genesys import Simulator
from tests.harness.genesys.conversations import Message
from tests.harness.genesys.faults import Fault


def fill(simulator: Simulator, count: int, direction: str = "outbound") -> None:
    conversation = simulator.state.conversation("conversation")
    assert conversation is not None
    for number in range(count):
        message = simulator.state.conversations.add(conversation, call="test", direction=direction, text=f"m{number}")
        message.at = 1_000_000.0 + number


def add_message(simulator: Simulator, text: str, direction: str = "outbound", at: float = 0.0) -> Message:
    conversation = simulator.state.conversation("conversation")
    assert conversation is not None
    message = simulator.state.conversations.add(conversation, call="test", direction=direction, text=text)
    message.at = at
    return message


@pytest.mark.parametrize("shape", ["legs", "model"])
async def test_a_message_is_found_beyond_the_second_page(simulator: Simulator, connect: Connect, shape: str) -> None:
    simulator.state.settings = type(simulator.state.settings)(history_shape=shape)  # type: ignore[arg-type]
    wanted = add_message(simulator, f"Preview generated: {URL}")
    fill(simulator, 35)
    assert await connect(page_size=10).find("conversation", NEEDLE) == wanted.id
    assert simulator.state.calls["get_bodies"] == 4


async def test_the_newest_page_is_read_first(simulator: Simulator, connect: Connect) -> None:
    fill(simulator, 35)
    wanted = add_message(simulator, f"Preview generated: {URL}", at=2_000_000.0)
    assert await connect(page_size=10).find("conversation", NEEDLE) == wanted.id
    assert simulator.state.calls["get_bodies"] == 1


async def test_reading_back_is_bounded(simulator: Simulator, connect: Connect) -> None:
    fill(simulator, 200)
    assert await connect(page_size=10).find("conversation", NEEDLE) is None
    assert simulator.state.calls["get_bodies"] == 5


async def test_more_than_a_thousand_messages_are_asked_for_in_lists_that_genesys_takes(
    simulator: Simulator, connect: Connect
) -> None:
    wanted = add_message(simulator, f"Preview generated: {URL}")
    fill(simulator, 2_100)
    assert await connect().find("conversation", NEEDLE) == wanted.id
    assert simulator.state.calls["get_bodies"] == 3
    assert simulator.state.statuses["400"] == 0


async def test_a_guest_who_quotes_our_link_does_not_count_as_our_post(simulator: Simulator, connect: Connect) -> None:
    add_message(simulator, f"what is {URL}?", direction="inbound")
    assert await connect().find("conversation", NEEDLE) is None


async def test_a_failure_while_reading_back_is_a_failure_and_not_a_missing_message(
    simulator: Simulator, connect: Connect
) -> None:
    genesys = connect()
    await genesys.post(link())
    simulator.state.faults.add(Fault(kind="drop_before", call="get_bodies", count=1))
    with pytest.raises(Retryable) as failure:
        await genesys.find("conversation", NEEDLE)
    assert failure.value.reason is Reason.GENESYS_UNAVAILABLE


def fetch(url: str, headers: Mapping[str, str] | None = None) -> bytes:
    with urllib.request.urlopen(urllib.request.Request(url, headers=dict(headers or {})), timeout=5) as response:
        data: bytes = response.read()
    return data


async def fetched(url: str, headers: Mapping[str, str] | None = None) -> bytes:
    return await asyncio.to_thread(fetch, url, headers)


async def test_a_download_leads_to_an_address_on_another_port_without_the_token(
    simulator: Simulator, connect: Connect
) -> None:
    genesys = connect()
    _, (file,) = add_file(simulator, "a.png")
    address = f"{simulator.base_url}/api/v2/downloads/{file.download_id}?contentDisposition=inline"
    assert genesys.is_api_address(address)
    url = await genesys.download_address(address)
    assert url.startswith(simulator.files_url)
    assert not genesys.is_api_address(url)
    assert await fetched(url) == b"a.png"
    assert simulator.state.files.token_leaks == 0


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example.com/api/v2/downloads/abc",
        "{base}@evil.example.com/api/v2/downloads/abc",
        "{base}.evil.example.com/api/v2/downloads/abc",
        "http://127.0.0.1:1/api/v2/downloads/abc",
        "{base}/api/v2/users/me",
        "{base}/api/v2/downloads/../users/me",
        "{base}/api/v2/downloads/a%2f..%2fusers",
        "{base}/api/v2/downloads/",
        "http://[::1",
        "",
    ],
)
async def test_the_token_goes_nowhere_but_to_downloads_of_the_api(
    simulator: Simulator, connect: Connect, url: str
) -> None:
    with pytest.raises(Rejected) as rejected:
        await connect().download_address(url.format(base=simulator.base_url))
    assert rejected.value.reason is Reason.SOURCE_BLOCKED
    assert simulator.state.calls.total() == 0


async def test_a_download_that_is_gone_is_gone_at_its_source(simulator: Simulator, connect: Connect) -> None:
    with pytest.raises(Rejected) as rejected:
        await connect().download_address(f"{simulator.base_url}/api/v2/downloads/gone")
    assert rejected.value.reason is Reason.SOURCE_GONE


async def test_a_download_named_by_a_relative_segment_is_no_download(simulator: Simulator, connect: Connect) -> None:
    with pytest.raises(Refused):
        await connect().download_address(f"{simulator.base_url}/api/v2/downloads/..")
    assert simulator.state.calls.total() == 0


async def test_an_expired_address_is_asked_for_again(simulator: Simulator, connect: Connect) -> None:
    genesys = connect()
    message_id, (one, two) = add_file(simulator, "one.png", "two.png")
    for file in (one, two):
        simulator.state.files.expire(file)
    by_id = Attachment(conversation_id="conversation", message_id=message_id, attachment_id=two.id)
    by_name = Attachment(conversation_id="conversation", message_id=message_id, file_name="one.png")
    for attachment, file in ((by_id, two), (by_name, one)):
        address = await genesys.fresh_address(attachment)
        assert address is not None
        assert await fetched(await genesys.download_address(address)) == file.data


async def test_the_only_file_of_a_message_needs_no_name(simulator: Simulator, connect: Connect) -> None:
    message_id, (file,) = add_file(simulator, "one.png")
    address = await connect().fresh_address(Attachment(conversation_id="conversation", message_id=message_id))
    assert address is not None
    assert address.endswith(file.download_id)


@pytest.mark.parametrize("file_name", ["three.png", ""])
async def test_a_file_that_cannot_be_told_from_others_has_no_address(
    simulator: Simulator, connect: Connect, file_name: str
) -> None:
    message_id, _ = add_file(simulator, "one.png", "two.png")
    attachment = Attachment(conversation_id="conversation", message_id=message_id, file_name=file_name)
    assert await connect().fresh_address(attachment) is None


async def test_a_message_that_is_gone_or_not_named_has_no_address(connect: Connect) -> None:
    genesys = connect()
    assert await genesys.fresh_address(Attachment(conversation_id="conversation", message_id="gone")) is None
    assert await genesys.fresh_address(Attachment(conversation_id="conversation", attachment_url=URL)) is None


async def test_our_own_message_brings_no_files_along(connect: Connect) -> None:
    genesys = connect()
    message_id = await genesys.post(link())
    assert await genesys.media("conversation", message_id) == ()
    assert genesys.is_own_text(f"Preview generated: {URL}")
    assert not genesys.is_own_text("Here is my passport")


async def test_the_circuit_opens_when_genesys_is_down_and_closes_when_it_is_back(simulator: Simulator) -> None:
    now = 0.0
    breaker = Breaker("Genesys", threshold=3, open_seconds=10, clock=lambda: now)
    genesys = create_genesys(worker_settings(simulator.base_url), [RateShare(60_000)], breaker=breaker)
    simulator.state.faults.add(Fault(kind="drop_before", count=3))
    for number in range(3):
        with pytest.raises(Retryable):
            await genesys.find(f"conversation-{number}", NEEDLE)
    calls = simulator.state.calls.total()
    with pytest.raises(Held) as held:
        await genesys.post(link())
    assert (held.value.reason, breaker.state) == (Reason.CIRCUIT_OPEN, State.OPEN)
    assert simulator.state.calls.total() == calls
    now = 10.0
    await genesys.post(link())
    assert breaker.state is State.CLOSED
    await genesys.close()


@pytest.mark.parametrize("mode", ["communication", "agentless", "attributes", "tutorial"])
async def test_posts_into_two_conversations_open_the_circuit_in_every_mode(simulator: Simulator, mode: str) -> None:
    breaker = Breaker("Genesys", threshold=2)
    settings = worker_settings(simulator.base_url, genesys_post_mode=mode)
    genesys = create_genesys(settings, [RateShare(60_000)], breaker=breaker)
    conversations = ["conversation", "another"]
    for conversation in conversations:
        await genesys.post(link(conversation))  # its route is known from here on
    simulator.state.faults.add(Fault(kind="drop_before", count=2))
    for conversation in conversations:
        with pytest.raises(Retryable):
            await genesys.post(link(conversation))
    assert breaker.state is State.OPEN
    await genesys.close()


async def test_downloads_of_two_files_open_the_circuit(simulator: Simulator) -> None:
    breaker = Breaker("Genesys", threshold=2)
    genesys = create_genesys(worker_settings(simulator.base_url), [RateShare(60_000)], breaker=breaker)
    simulator.state.faults.add(Fault(kind="drop_before", count=2))
    for number in range(2):
        with pytest.raises(Retryable):
            await genesys.download_address(f"{simulator.base_url}/api/v2/downloads/{number}")
    assert breaker.state is State.OPEN
    await genesys.close()


async def test_every_call_but_the_token_spends_the_share(simulator: Simulator, connect: Connect) -> None:
    rate = RateShare(6_000)
    genesys = connect(rate=rate)
    _, (file,) = add_file(simulator, "one.png")
    await genesys.post(link())
    await genesys.find("conversation", NEEDLE)
    await genesys.download_address(f"{simulator.base_url}/api/v2/downloads/{file.download_id}")
    rate.set_share(0.0)
    before = simulator.state.calls.total()
    for call in (
        genesys.post(link()),
        genesys.find("conversation", NEEDLE),
        genesys.download_address(f"{simulator.base_url}/api/v2/downloads/{file.download_id}"),
        genesys.fresh_address(Attachment(conversation_id="conversation", message_id="m")),
    ):
        with pytest.raises(Held):
            await call
    assert simulator.state.calls.total() == before
