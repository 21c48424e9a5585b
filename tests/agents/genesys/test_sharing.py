"""What shares of the rate do over rebalances and crashes, and that nobody keeps it for himself."""

import asyncio

from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from agents.genesys import Genesys
from agents.kafka.lane import Lane, LaneLimits, Record
from agents.kafka.offsets import Offsets
from stream.genesys.rate import CallWindow
from tests.agents.genesys.conftest import Connect, link
from tests.harness.genesys import Simulator
from tests.harness.genesys.faults import Fault
from tests.stream.genesys.test_rate import most_in_a_minute

BUDGET = 300
PARTITIONS = 12
STEP_SECONDS = 0.1
FLOOD = 60
OTHERS = 24


@given(
    st.lists(
        st.tuples(
            st.lists(st.integers(0, 4), min_size=3, max_size=3),  # partitions of each worker
            st.integers(10, 700),  # steps until the next rebalance
            st.integers(0, 400),  # steps of them in which nothing is to be posted
            st.booleans(),  # whether all workers were killed and begin with empty windows
        ),
        min_size=1,
        max_size=5,
    )
)
def test_rebalances_and_crashes_never_make_more_than_the_budget_of_any_minute(
    phases: list[tuple[list[int], int, int, bool]],
) -> None:
    windows = [CallWindow(0.0, 0.0) for _ in range(3)]
    times: list[float] = []
    step = 0
    for partitions, steps, idle_steps, killed in phases:
        now = step * STEP_SECONDS
        if killed:
            windows = [CallWindow(0.0, now) for _ in windows]
        for window, owned in zip(windows, partitions, strict=True):
            window.change(BUDGET * owned / PARTITIONS, now)
        for later in range(idle_steps, steps):
            now = (step + later) * STEP_SECONDS
            for window in windows:
                while window.wait_seconds(now) == 0:
                    window.spend(now)
                    times.append(now)
        step += steps
    assert most_in_a_minute(times) <= BUDGET


def test_a_gained_share_owes_the_burst_that_its_last_owner_may_have_made() -> None:
    killed, heir = CallWindow(BUDGET, 0.0), CallWindow(0.0, 0.0)
    times: list[float] = []
    for tenths in range(600):  # the burst and then the pace, until it is killed after half a minute
        now = 100.0 + tenths / 10
        window = killed if tenths < 300 else heir
        if tenths == 300:
            heir.change(BUDGET, now)
        while window.wait_seconds(now) == 0:
            window.spend(now)
            times.append(now)
    assert most_in_a_minute(times) <= BUDGET


async def test_files_of_one_conversation_that_come_at_once_read_it_once(simulator: Simulator, connect: Connect) -> None:
    genesys = connect()
    simulator.state.faults.add(Fault(kind="slow", seconds=0.2, call="get_conversation"))
    await asyncio.gather(*(genesys.post(link(event_id=str(number))) for number in range(8)))
    assert simulator.state.calls["get_conversation"] == 1


async def test_a_look_up_that_failed_fails_for_all_who_waited_and_is_made_again(
    simulator: Simulator, connect: Connect
) -> None:
    genesys = connect()
    simulator.state.faults.add(Fault(kind="status", status=500, call="get_conversation", count=1))
    posts = (genesys.post(link(event_id=str(number))) for number in range(4))
    assert all(isinstance(end, Exception) for end in await asyncio.gather(*posts, return_exceptions=True))
    await genesys.post(link())
    assert simulator.state.calls["get_conversation"] == 2


async def test_a_conversation_with_four_files_costs_at_most_1_3_calls_a_post(
    simulator: Simulator, connect: Connect
) -> None:
    genesys = connect()
    for number in range(40):
        await genesys.post(link(f"conversation-{number // 4}", event_id=str(number)))
    calls = simulator.state.calls.total() - simulator.state.calls["token"]
    assert calls / simulator.state.calls["post_to_communication"] <= 1.3


async def test_a_conversation_that_sends_many_files_does_not_stop_the_others(connect: Connect) -> None:
    genesys = connect()
    genesys.logins[0].rate.set_share(0.1)  # 100 calls a second for all
    said = await through_a_lane(genesys)
    last_of_the_others = max(number for number, key in enumerate(said) if key != b"flood")
    before_it = said[:last_of_the_others].count(b"flood")
    assert len(said) == FLOOD + OTHERS
    assert before_it <= OTHERS  # it was here first, and has one place of eight


async def through_a_lane(genesys: Genesys) -> list[bytes]:
    """Feed a flood in one conversation, then single files in others; return their keys in the order of their posts."""
    said: list[bytes] = []
    all_said = asyncio.Event()

    async def job(record: Record) -> None:
        key = record.key or b""
        await genesys.post(link(key.decode(), event_id=f"{key.decode()}-{record.offset}"))
        said.append(key)
        if len(said) == FLOOD + OTHERS:
            all_said.set()

    lane = Lane(job, limits=LaneLimits(concurrency=8, high=FLOOD + OTHERS), offsets=Offsets(), flow=Still(), crash=fail)
    for offset in range(FLOOD):
        feed(lane, Record("previews", 0, offset, b"flood", None))
    for offset in range(OTHERS):
        feed(lane, Record("previews", 1, offset, b"other-%d" % offset, None))
    async with asyncio.timeout(30):
        await all_said.wait()
    return said


def feed(lane: Lane, record: Record) -> None:
    lane.take(record.tp, record.offset)
    lane.feed(record)


class Still:
    """Nobody who would bring more."""

    def freed(self, tp: TP) -> None: ...


async def fail(error: BaseException) -> None:
    raise AssertionError from error
