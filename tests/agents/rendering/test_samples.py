from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from agents.rendering.pool import RenderPool
from agents.rendering.verdicts import Rendition
from agents.rendering.webp import webp_size
from tests.agents.rendering.pools import running_pool
from tests.harness.files import SAMPLES, Sample

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool() -> AsyncIterator[RenderPool]:
    async with running_pool() as running:
        yield running


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
async def test_each_sample_gets_its_verdict(pool: RenderPool, sample: Sample) -> None:
    answer = await pool.render(sample.make(), file_name=sample.name, declared_mime=sample.mime)
    assert answer.verdict is sample.verdict
    if isinstance(answer, Rendition):
        assert webp_size(answer.webp) == (answer.width_px, answer.height_px)
        assert max(answer.width_px, answer.height_px) == 300
        assert answer.note is None
    else:
        assert answer.reason.endswith(".")


async def test_samples_are_the_same_bytes_at_every_run() -> None:
    for sample in SAMPLES:
        if sample.mime != "image/heic":  # its encoder takes half a second
            assert sample.make() == sample.make()
