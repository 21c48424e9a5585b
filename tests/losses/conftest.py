from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tests.harness.kafka import RealKafka
from tests.losses.lives import Trial
from tests.losses.plans import Kind

NewTrial = Callable[[int], Awaitable[Trial]]


@pytest.fixture(params=list(Kind))
def kind(request: pytest.FixtureRequest) -> Kind:
    """Run the test on the stock class, where the loss must show, and on ours, where it must not."""
    return Kind(request.param)


@pytest.fixture
async def new_trial(kind: Kind, kafka: RealKafka, tmp_path: Path) -> AsyncIterator[NewTrial]:
    trials: list[Trial] = []

    async def create(partitions: int = 1) -> Trial:
        trial = Trial(kind, kafka.bootstrap_servers, tmp_path, partitions)
        trials.append(trial)
        await trial.create_topic(trial.topic)
        return trial

    yield create
    for trial in trials:
        await trial.close()
