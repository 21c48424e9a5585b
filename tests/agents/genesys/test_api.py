import asyncio
import logging
import time

import pytest

from agents.genesys import create_genesys
from stream.failures import Failure, Held
from stream.genesys.rate import RateShare
from tests.agents.genesys.conftest import NEEDLE, Connect, link, worker_settings
from tests.harness.genesys import Simulator
from tests.harness.genesys.faults import Fault


async def test_bodies_of_5xx_answers_are_logged_without_secrets(
    simulator: Simulator, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    genesys = connect()
    await genesys.post(link())
    message = 'it broke: "access_token": "leaked", simulated-secret ' + "x" * 5_000
    simulator.state.faults.add(Fault(kind="status", status=500, message=message, count=1))
    with caplog.at_level(logging.WARNING), pytest.raises(Failure):
        await genesys.post(link())
    (record,) = [one for one in caplog.records if one.message == "genesys.failed"]
    body = vars(record)["body"]
    assert "it broke" in body
    assert "simulated-secret" not in body
    assert len(body) <= 501


async def test_every_attempt_is_observed_with_its_status(simulator: Simulator) -> None:
    seen: list[tuple[str, str]] = []
    genesys = create_genesys(
        worker_settings(simulator.base_url, genesys_timeout_seconds=0.3),
        [RateShare(60_000)],
        observe=lambda call, status, seconds: seen.append((call, status)) if seconds > 0 else None,
    )
    await genesys.post(link())
    for fault in (
        Fault(kind="status", status=503),
        Fault(kind="drop_after"),
        Fault(kind="slow_after", seconds=1.0),
    ):
        fault.count = 1
        simulator.state.faults.add(fault)
        with pytest.raises(Failure):
            await genesys.post(link())
    await genesys.close()
    assert seen[:3] == [("token", "200"), ("get_conversation", "200"), ("post_to_communication", "200")]
    assert [status for _, status in seen[3:]] == ["503", "dropped", "timeout"]


async def test_the_loop_is_free_while_a_call_waits(simulator: Simulator, connect: Connect) -> None:
    genesys = connect()
    await genesys.post(link())
    simulator.state.faults.add(Fault(kind="slow_after", seconds=0.4, call="post_to_communication", count=1))
    turns = 0
    post = asyncio.create_task(genesys.post(link()))
    while not post.done():
        turns += 1
        await asyncio.sleep(0.01)
    assert turns >= 10


async def test_the_whole_worker_stays_within_its_share(simulator: Simulator, connect: Connect) -> None:
    genesys = connect(rate=RateShare(600, max_wait_seconds=60))
    began = time.monotonic()
    await asyncio.gather(*(genesys.post(link(f"c{number % 4}", event_id=str(number))) for number in range(20)))
    calls = simulator.state.calls.total() - simulator.state.calls["token"]
    assert calls >= 24
    assert calls <= 600 / 60 * (time.monotonic() - began) + 21


async def test_a_token_endpoint_that_is_down_is_unavailable_and_asked_again(
    simulator: Simulator, connect: Connect
) -> None:
    genesys = connect()
    simulator.state.faults.add(Fault(kind="drop_before", call="token", count=1))
    with pytest.raises(Failure, match="genesys_unavailable"):
        await genesys.find("conversation", NEEDLE)
    assert await genesys.find("conversation", NEEDLE) is None


async def test_a_429_of_the_login_holds_the_lane(simulator: Simulator, connect: Connect) -> None:
    simulator.state.faults.add(Fault(kind="status", status=429, retry_after_seconds=9, call="token", count=1))
    with pytest.raises(Held) as held:
        await connect().find("conversation", NEEDLE)
    assert held.value.for_seconds == 9.0
