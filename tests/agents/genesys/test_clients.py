"""Several OAuth clients: their budgets add up, and what one of them is refused does not stop the others."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import pytest

from agents.genesys import Genesys
from stream.failures import Held, Reason
from stream.genesys.api import Permit
from stream.genesys.login import least
from stream.genesys.rate import RateShare
from stream.settings import Secret
from tests.agents.genesys.conftest import Connect, link
from tests.harness.genesys import Simulator
from tests.harness.genesys.faults import Fault

IDS = ("simulated-client", "second-client", "third-client")
SECRETS = ("simulated-secret", "second-secret", "third-secret")


@pytest.fixture(autouse=True)
def clients_of_the_tenant(simulator: Simulator) -> None:
    simulator.state.settings.further_clients = dict(zip(IDS[1:], SECRETS[1:], strict=True))


def with_clients(connect: Connect, number: int, secrets: Sequence[str] = SECRETS, **changes: Any) -> Genesys:
    names, proofs = ",".join(IDS[:number]), Secret(",".join(secrets[:number]))
    return connect(genesys_client_id=names, genesys_client_secret=proofs, **changes)


def calls_by_client(simulator: Simulator) -> dict[str, int]:
    return dict(simulator.state.limiter.by_caller)


async def test_calls_go_to_the_client_whose_turn_comes_soonest(simulator: Simulator, connect: Connect) -> None:
    genesys = with_clients(connect, 3)
    for login in genesys.logins:
        login.rate.set_share(0.001)  # a call a second each
    await asyncio.gather(*(genesys.post(link(event_id=str(number))) for number in range(5)))  # and one look-up
    assert calls_by_client(simulator) == dict.fromkeys(IDS, 2)
    assert simulator.state.calls["get_conversation"] == 1


async def test_the_budgets_of_all_clients_add_up(simulator: Simulator, connect: Connect) -> None:
    simulator.state.settings.calls_per_minute = 4
    genesys = with_clients(connect, 3)
    for number in range(11):  # and one look-up
        await genesys.post(link(event_id=str(number)))
    with pytest.raises(Held) as held:
        await genesys.post(link(event_id="one too many"))
    assert calls_by_client(simulator) == dict.fromkeys(IDS, 4)
    assert held.value.reason is Reason.RATE_LIMITED


async def test_a_429_of_one_client_pauses_that_client_alone(simulator: Simulator, connect: Connect) -> None:
    genesys = with_clients(connect, 2)
    simulator.state.faults.add(Fault(kind="status", status=429, retry_after_seconds=30, count=1))
    await genesys.post(link())
    assert sorted(login.wait_seconds > 20 for login in genesys.logins) == [False, True]
    assert simulator.state.statuses["429"] == 1


async def test_a_client_that_is_refused_does_not_stop_the_others_and_is_told_by_number(
    simulator: Simulator, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    genesys = with_clients(connect, 3, secrets=["wrong-secret", *SECRETS[1:]])
    with caplog.at_level(logging.ERROR):
        for number in range(4):
            await genesys.post(link(event_id=str(number)))
    assert [login.refusal is not None for login in genesys.logins] == [True, False, False]
    assert IDS[0] not in calls_by_client(simulator)
    (told,) = [record for record in caplog.records if record.message == "genesys.client_refused"]
    assert vars(told)["client"] == 0
    assert "wrong-secret" not in str(vars(told))
    assert IDS[0] not in str(vars(told))


async def test_a_client_whose_every_token_is_refused_does_not_stop_the_others(
    simulator: Simulator, connect: Connect
) -> None:
    genesys = with_clients(connect, 2)
    simulator.state.faults.add(Fault(kind="revoke", count=2))
    await genesys.post(link())
    assert sum(login.refusal is not None for login in genesys.logins) == 1


async def test_when_all_are_refused_the_lane_is_held_and_none_is_asked_again_at_once(
    simulator: Simulator, connect: Connect
) -> None:
    genesys = with_clients(connect, 2, secrets=["wrong", "wrong-too"])
    for _ in range(3):
        with pytest.raises(Held) as held:
            await genesys.post(link())
        assert held.value.reason is Reason.CREDENTIALS_REFUSED
        assert 25 < held.value.for_seconds <= 30
    assert simulator.state.calls["token"] == 2


async def test_a_refused_client_is_asked_again_when_its_time_is_over(simulator: Simulator, connect: Connect) -> None:
    genesys = with_clients(connect, 1)
    genesys.logins[0].refused(Held(Reason.CREDENTIALS_REFUSED, "not now", 0.0))
    await genesys.post(link())
    assert simulator.state.calls["token"] == 1


async def test_a_403_is_everybodys(simulator: Simulator, connect: Connect) -> None:
    genesys = with_clients(connect, 3)
    simulator.state.faults.add(Fault(kind="status", status=403))
    with pytest.raises(Held) as held:
        await genesys.post(link())
    assert held.value.reason is Reason.PERMISSION_MISSING
    assert simulator.state.statuses["403"] == 1


async def test_a_post_whose_time_has_passed_is_tried_with_no_client(simulator: Simulator, connect: Connect) -> None:
    genesys = with_clients(connect, 3)
    await genesys.post(link())
    spent = sum(login.rate.available for login in genesys.logins)
    with pytest.raises(Held):
        await genesys.post(link(), permit=Permit(0.0))
    assert simulator.state.calls["post_to_communication"] == 1
    assert sum(login.rate.available for login in genesys.logins) > spent - 1.5  # one call's room, not three
    assert all(login.wait_seconds < 1 for login in genesys.logins)  # and nobody is paused


def test_the_hold_that_ends_first_counts() -> None:
    holds = [Held(Reason.CREDENTIALS_REFUSED, "no", 30.0), Held.by_rate_limit(4.0)]
    assert least(holds).for_seconds == 4.0


def test_a_rate_without_a_share_is_nobodys_choice() -> None:
    assert RateShare(300, share=0.0).wait_seconds() == float("inf")
