from tests.system.chaos.mayhem import Befallen
from tests.system.lifecycle.gathering import ttl_changes
from tests.system.lifecycle.plan import Plan
from tests.system.lifecycle.script import Change, Drop, Give, mishaps, steps
from tests.system.lifecycle.verdict import NEEDED, WRONG, Verdict

PLAN = Plan(seed=7, seconds=120.0, files=300)


def test_the_same_seed_gives_the_same_run_and_another_one_another() -> None:
    assert steps(PLAN) == steps(PLAN)
    assert list(mishaps(PLAN)) == list(mishaps(PLAN))
    assert steps(PLAN) != steps(Plan(seed=8, seconds=120.0, files=300))


def test_steps_come_in_order_and_none_after_the_end() -> None:
    times = [step.at for step in steps(PLAN)]
    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] < PLAN.seconds


def test_there_are_replays_all_orders_doubles_and_other_times_to_live() -> None:
    found = steps(PLAN)
    drops = [step for step in found if isinstance(step, Drop)]
    gives = [step for step in found if isinstance(step, Give)]
    assert len({drop.event_id for drop in drops}) >= PLAN.files
    assert len(drops) > len({drop.event_id for drop in drops})
    assert {give.command for give in gives} == {"erase", "hold", "release"}
    assert len(gives) > len({give.order_id for give in gives})
    assert any(drop.foreign for drop in drops)
    assert any(give.foreign for give in gives)
    assert len({step.ttl_seconds for step in found if isinstance(step, Change)}) > 1


def test_an_order_of_an_id_is_the_same_whenever_it_is_given() -> None:
    about: dict[str, set[tuple[str, str]]] = {}
    for step in steps(PLAN):
        if isinstance(step, Give):
            about.setdefault(step.order_id, set()).add((step.conversation_id, step.command))
    assert all(len(one) == 1 for one in about.values())


def test_a_worker_has_another_time_to_live_once_it_comes_back_with_it() -> None:
    changes = [(10.0, 30.0), (40.0, 12.0)]
    befallen = [
        Befallen(5.0, "kill", "worker-0"),
        Befallen(20.0, "freeze", "worker-0"),
        Befallen(21.0, "kill", "worker-0"),
        Befallen(22.0, "term", "worker-0"),
        Befallen(41.0, "kill", "worker-1"),
    ]
    assert ttl_changes(befallen, changes) == 2


def verdict(**counts: float) -> Verdict:
    fields = dict.fromkeys(Verdict.__struct_fields__, 0) | dict.fromkeys(NEEDED, 1)
    return Verdict(**{**fields, **counts})  # type: ignore[arg-type]


def test_each_broken_promise_makes_a_run_wrong() -> None:
    assert verdict().wrongs() == {}
    for name in WRONG:
        assert verdict(**{name: 2}).wrongs() == {name: 2}


def test_a_run_that_showed_nothing_is_wrong() -> None:
    for name in NEEDED:
        assert verdict(**{name: 0}).wrongs() == {name: 0}
