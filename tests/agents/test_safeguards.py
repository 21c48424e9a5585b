from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import structs
from prometheus_client import CollectorRegistry

from agents.process.probation import leave_word
from agents.safeguards import Safeguards
from agents.settings import WorkerSettings
from stream.breaker import Breaker
from stream.failures import Held, Reason
from stream.retry import Family
from stream.settings import Secret
from stream.telemetry import Metrics


def safeguards(folder: Path, **changes: object) -> Safeguards:
    settings = WorkerSettings(
        genesys_client_id="id",
        genesys_client_secret=Secret("secret"),
        object_key_secret=Secret("0123456789abcdef"),
        worker_data_dir=str(folder),
    )
    return Safeguards(structs.replace(settings, **changes), Metrics(CollectorRegistry()))


def opened(breaker: Breaker) -> None:
    for number in range(5):
        breaker.failed(breaker.enter(f"subject {number}"), "no answer")


def is_held(ready: Callable[[], None]) -> bool:
    try:
        ready()
    except Held as held:
        return held.reason is Reason.CIRCUIT_OPEN
    return False


def test_an_open_circuit_holds_only_the_lanes_that_need_its_service(tmp_path: Path) -> None:
    without_genesys, without_storage = safeguards(tmp_path), safeguards(tmp_path)
    opened(without_genesys.genesys)
    opened(without_storage.storage)
    assert [is_held(without_genesys.ready_to_store), is_held(without_genesys.ready_to_link)] == [False, True]
    assert [is_held(without_storage.ready_to_store), is_held(without_storage.ready_to_link)] == [True, True]


def test_the_settings_of_retries_reach_their_families(tmp_path: Path) -> None:
    policy = safeguards(tmp_path, retry_max_attempts=9, retry_source_max_age_seconds=7.0).policy
    assert policy.patience(Family.STORAGE).attempts == 9
    assert policy.patience(Family.SOURCE).age_seconds == 7.0


@pytest.mark.parametrize(("stopped", "failures"), [(False, 20), (True, 2)])
def test_a_worker_whose_predecessor_was_stopped_is_on_probation(
    tmp_path: Path,
    stopped: bool,  # noqa: FBT001 - a parameter of the table above
    failures: int,
) -> None:
    if stopped:
        leave_word(tmp_path, "internal 20")
    guard = safeguards(tmp_path).guard
    verdicts = [guard.failed(f"conversation {number}", Reason.INTERNAL) for number in range(failures)]
    assert [verdict is not None for verdict in verdicts] == [False] * (failures - 1) + [True]
