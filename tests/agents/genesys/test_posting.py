import asyncio
import time

import pytest

from agents.genesys.posting import attribute_prefix, attributes, tutorial_message
from stream.failures import Failure, Held, Reason, Refused, Rejected, Retryable
from stream.genesys import calls
from stream.genesys.api import Permit, Request
from tests.agents.genesys.conftest import NEEDLE, URL, Connect, add_file, link
from tests.harness.genesys import Simulator
from tests.harness.genesys.conversations import Conversation
from tests.harness.genesys.faults import Fault

TEXT = f"Preview generated: {URL}"
POSTING_MODES = pytest.mark.parametrize("mode", ["communication", "agentless", "tutorial"])
ALL_MODES = pytest.mark.parametrize("mode", ["communication", "agentless", "attributes", "tutorial"])


def held_by(simulator: Simulator, conversation_id: str = "conversation") -> Conversation:
    conversation = simulator.state.conversations.get(conversation_id)
    assert conversation is not None
    return conversation


@POSTING_MODES
async def test_a_link_is_said_in_its_conversation(simulator: Simulator, connect: Connect, mode: str) -> None:
    message_id = await connect(genesys_post_mode=mode).post(link())
    (message,) = held_by(simulator).messages
    assert (message.id, message.text, message.direction) == (message_id, TEXT, "outbound")


@ALL_MODES
async def test_what_was_said_is_found_again(connect: Connect, mode: str) -> None:
    genesys = connect(genesys_post_mode=mode)
    assert await genesys.find("conversation", NEEDLE) is None
    message_id = await genesys.post(link())
    assert await genesys.find("conversation", NEEDLE) == message_id


async def test_attributes_are_set_on_the_customer_and_twice_changes_nothing(
    simulator: Simulator, connect: Connect
) -> None:
    genesys = connect(genesys_post_mode="attributes")
    assert await genesys.post(link()) == await genesys.post(link()) == attribute_prefix("event-1")
    customer, agent = held_by(simulator).participants
    assert customer.purpose == "customer"
    assert customer.attributes == attributes(link(), TEXT)
    assert agent.attributes == {}


def test_attributes_of_two_previews_do_not_meet() -> None:
    assert not attributes(link(), "a").keys() & attributes(link(event_id="event-2"), "b").keys()


async def test_the_tutorials_body_is_sent_exactly() -> None:
    body = tutorial_message(link(), TEXT, "")
    assert list(body) == ["conversationId", "type", "from", "to", "text", "metadata"]
    assert body["metadata"] == {
        "previewUrl": URL,
        "originalFileName": "Ünïcode scan.pdf",
        "previewFormat": "webp",
        "previewSizeBytes": "4321",
    }


async def test_the_tutorials_metadata_arrives(simulator: Simulator, connect: Connect) -> None:
    await connect(genesys_post_mode="tutorial").post(link())
    (message,) = held_by(simulator).messages
    assert message.metadata["originalFileName"] == "Ünïcode scan.pdf"


async def test_a_conversation_is_looked_up_once(simulator: Simulator, connect: Connect) -> None:
    genesys = connect()
    for _ in range(5):
        await genesys.post(link())
    assert simulator.state.calls["get_conversation"] == 1
    assert simulator.state.calls["token"] == 1


async def test_without_an_agent_the_customers_leg_is_used(simulator: Simulator, connect: Connect) -> None:
    simulator.state.create("conversation", with_agent=False)
    await connect().post(link())
    assert len(held_by(simulator).messages) == 1


async def test_a_leg_that_has_gone_is_looked_up_again(simulator: Simulator, connect: Connect) -> None:
    genesys = connect()
    await genesys.post(link())
    simulator.state.conversations.transfer(held_by(simulator))
    await genesys.post(link(event_id="event-2"))
    assert len(held_by(simulator).messages) == 2


async def test_a_closed_conversation_is_a_dead_letter(simulator: Simulator, connect: Connect) -> None:
    genesys = connect()
    await genesys.post(link())
    for participant in held_by(simulator).participants:
        participant.ended = True
    for _ in range(2):  # with a remembered route, and without one
        with pytest.raises(Refused) as refused:
            await genesys.post(link())
        assert refused.value.reason is Reason.CONVERSATION_CLOSED
    assert len(held_by(simulator).messages) == 1


@ALL_MODES
async def test_an_unknown_conversation_is_a_dead_letter(simulator: Simulator, connect: Connect, mode: str) -> None:
    simulator.state.settings.auto_create = False
    with pytest.raises(Refused) as refused:
        await connect(genesys_post_mode=mode).post(link())
    assert refused.value.reason is Reason.CONVERSATION_CLOSED


async def test_agentless_uses_the_address_of_the_settings_and_the_customers_contact(
    simulator: Simulator, connect: Connect
) -> None:
    simulator.state.settings.messenger_type = "webmessaging"  # the simulator wants the contact then
    await connect(genesys_post_mode="agentless").post(link())
    assert [one.id for one in simulator.state.conversations] == ["conversation"]


@POSTING_MODES
async def test_a_post_whose_answer_is_lost_is_ambiguous_said_once_and_found(
    simulator: Simulator, connect: Connect, mode: str
) -> None:
    genesys = connect(genesys_post_mode=mode)
    call = {"communication": "post_to_communication"}.get(mode, f"post_{mode}")
    simulator.state.faults.add(Fault(kind="drop_after", call=call, count=1))
    with pytest.raises(Retryable) as ambiguous:
        await genesys.post(link())
    assert ambiguous.value.reason is Reason.GENESYS_AMBIGUOUS
    (message,) = held_by(simulator).messages
    assert await genesys.find("conversation", NEEDLE) == message.id


@pytest.mark.parametrize(
    ("fault", "family", "reason"),
    [
        (Fault(kind="status", status=429, retry_after_seconds=12), Held, Reason.RATE_LIMITED),
        (Fault(kind="status", status=429), Held, Reason.RATE_LIMITED),
        (Fault(kind="status", status=500), Retryable, Reason.GENESYS_AMBIGUOUS),
        (Fault(kind="status", status=500, commits=True), Retryable, Reason.GENESYS_AMBIGUOUS),
        (Fault(kind="status", status=502), Retryable, Reason.GENESYS_AMBIGUOUS),
        (Fault(kind="status", status=503), Retryable, Reason.GENESYS_AMBIGUOUS),
        (Fault(kind="status", status=503, retry_after_seconds=4), Retryable, Reason.GENESYS_UNAVAILABLE),
        (Fault(kind="status", status=504), Retryable, Reason.GENESYS_AMBIGUOUS),
        (Fault(kind="status", status=403), Held, Reason.PERMISSION_MISSING),
        (Fault(kind="status", status=400), Refused, Reason.GENESYS_REFUSED),
        (Fault(kind="drop_before"), Retryable, Reason.GENESYS_AMBIGUOUS),
        (Fault(kind="drop_after"), Retryable, Reason.GENESYS_AMBIGUOUS),
        (Fault(kind="slow", seconds=1.0), Retryable, Reason.GENESYS_AMBIGUOUS),
        (Fault(kind="slow_after", seconds=1.0), Retryable, Reason.GENESYS_AMBIGUOUS),
    ],
    ids=lambda value: f"{value.kind}-{value.status}" if isinstance(value, Fault) else None,
)
async def test_each_fault_of_a_post_is_its_failure_and_no_second_post(
    simulator: Simulator, connect: Connect, fault: Fault, family: type[Failure], reason: Reason
) -> None:
    genesys = connect(genesys_timeout_seconds=0.4)
    await genesys.post(link())
    fault.call = "post_to_communication"
    simulator.state.faults.add(fault)
    with pytest.raises(family) as failure:
        await genesys.post(link())
    assert failure.value.reason is reason
    assert simulator.state.calls["post_to_communication"] == 2


async def test_a_429_pauses_every_other_call_of_the_worker(simulator: Simulator, connect: Connect) -> None:
    genesys = connect()
    await genesys.post(link())
    simulator.state.faults.add(Fault(kind="status", status=429, retry_after_seconds=30, count=1))
    with pytest.raises(Held):
        await genesys.post(link())
    with pytest.raises(Held) as held:
        await genesys.find("conversation", NEEDLE)
    assert 25 < held.value.for_seconds <= 30
    assert simulator.state.calls["get_history"] == 0


async def test_the_limit_of_the_simulator_is_obeyed_as_well(simulator: Simulator, connect: Connect) -> None:
    simulator.state.settings.calls_per_minute = 3
    genesys = connect()
    for _ in range(2):
        await genesys.post(link())
    with pytest.raises(Held) as held:
        await genesys.post(link())
    assert held.value.reason is Reason.RATE_LIMITED
    assert 1 < held.value.for_seconds <= 60


async def test_an_expired_token_is_renewed_and_the_post_said_once(simulator: Simulator, connect: Connect) -> None:
    genesys = connect()
    await genesys.post(link())
    simulator.state.tokens.revoke()
    await asyncio.gather(*(genesys.post(link(event_id=str(number))) for number in range(8)))
    assert simulator.state.tokens.issued == 2
    assert len(held_by(simulator).messages) == 9


async def test_a_token_that_is_revoked_again_and_again_holds_the_lane(simulator: Simulator, connect: Connect) -> None:
    simulator.state.faults.add(Fault(kind="revoke"))
    with pytest.raises(Held) as held:
        await connect().post(link())
    assert held.value.reason is Reason.CREDENTIALS_REFUSED
    assert simulator.state.tokens.issued == 2


async def test_wrong_credentials_hold_the_lane(simulator: Simulator, connect: Connect) -> None:
    with pytest.raises(Held) as held:
        await connect(genesys_client_id="another").post(link())
    assert held.value.reason is Reason.CREDENTIALS_REFUSED
    assert "another" not in str(held.value)
    assert simulator.state.calls["get_conversation"] == 0


async def test_a_post_whose_time_has_passed_is_not_sent(simulator: Simulator, connect: Connect) -> None:
    with pytest.raises(Held):
        await connect().post(link(), permit=Permit(time.time() - 1))
    assert simulator.state.calls["post_to_communication"] == 0


async def test_a_post_whose_time_passes_while_it_waits_for_its_turn_is_not_sent(
    simulator: Simulator, connect: Connect
) -> None:
    genesys = connect()
    await genesys.post(link())
    genesys.logins[0].rate.set_share(0.001)  # a call a second
    posts = [genesys.post(link(event_id=str(number)), permit=Permit(time.time() + 0.3)) for number in range(4)]
    ends = await asyncio.gather(*posts, return_exceptions=True)
    late = [end for end in ends if isinstance(end, Held)]
    assert len(late) >= 2  # the bucket may hold two calls
    assert simulator.state.calls["post_to_communication"] == 1 + len(ends) - len(late)


async def test_a_post_that_is_no_longer_permitted_when_its_turn_comes_is_not_sent(
    simulator: Simulator, connect: Connect
) -> None:
    def ask() -> None:
        raise Rejected(Reason.ERASED, "erased")

    with pytest.raises(Rejected):
        await connect().post(link(), permit=Permit(ask=ask))
    assert simulator.state.calls["post_to_communication"] == 0


async def test_an_acceptance_without_an_id_is_ambiguous(simulator: Simulator, connect: Connect) -> None:
    genesys = connect()
    await genesys.post(link())
    simulator.state.faults.add(Fault(kind="status", status=200, commits=True, call="post_to_communication", count=1))
    with pytest.raises(Retryable) as ambiguous:
        await genesys.post(link(url="https://cdn.example.com/other.webp"))
    assert ambiguous.value.reason is Reason.GENESYS_AMBIGUOUS
    assert await genesys.find("conversation", "other.webp") is not None


async def test_a_redirect_is_not_followed(simulator: Simulator, connect: Connect) -> None:
    genesys = connect()
    _, (file,) = add_file(simulator, "one.png")
    request = Request(call=calls.GET_DOWNLOAD, ids={"download_id": file.download_id})  # asks for the redirect
    with pytest.raises(Refused) as refused:
        await genesys._api.call(request)
    assert refused.value.reason is Reason.GENESYS_REFUSED
    assert simulator.state.files.token_leaks == 0


async def test_a_conversation_id_cannot_leave_its_path(simulator: Simulator, connect: Connect) -> None:
    await connect().post(link("../../downloads/x?y#z"))
    assert len(held_by(simulator, "../../downloads/x?y#z").messages) == 1
