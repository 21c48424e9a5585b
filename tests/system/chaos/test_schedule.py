from tests.system.chaos.schedule import NAMES, schedule


def test_the_same_seed_plans_the_same_mishaps() -> None:
    assert list(schedule(7, 300)) == list(schedule(7, 300))
    assert list(schedule(7, 300)) != list(schedule(8, 300))


def test_a_longer_run_begins_as_a_shorter_one_does() -> None:
    short, long = list(schedule(7, 60)), list(schedule(7, 120))
    assert short
    assert long[: len(short)] == short


def test_every_kind_happens_in_the_course_of_an_hour() -> None:
    assert {f"{mishap.action}-{mishap.role}" for mishap in schedule(7, 3600)} == set(NAMES)


def test_only_what_is_asked_for_happens() -> None:
    mishaps = list(schedule(7, 300, frozenset({"kill-worker"})))
    assert mishaps
    assert {(mishap.action, mishap.role) for mishap in mishaps} == {("kill", "worker")}


def test_five_minutes_hold_dozens_of_kills() -> None:
    kills = [sum(mishap.action == "kill" for mishap in schedule(seed, 300)) for seed in range(20)]
    assert min(kills) >= 25
