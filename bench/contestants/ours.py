"""Ours: RenderPool as the worker uses it, with one child; CPU of the parent, the forkserver and all children."""

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry

from agents.rendering.pool import RenderPool, create_pool
from agents.rendering.verdicts import Rendition
from agents.settings import RenderSettings
from bench.contestants.job import EDGE_PX, QUALITY, Cost, Job, answer, given
from bench.cpu import descendants_seconds
from stream.telemetry import Metrics


async def costs(job: Job) -> list[Cost]:
    """Render one file after the other."""
    async with pool(children=1) as renderer:
        for path in job.warm:
            await renderer.render(path.read_bytes(), file_name=path.name)
        return [await cost_of(renderer, path, job.out / f"{path.name}.webp") for path in job.files]


@asynccontextmanager
async def pool(children: int) -> AsyncIterator[RenderPool]:
    """Give a pool with the worker's defaults."""
    settings = RenderSettings(
        kafka_bootstrap_servers="127.0.0.1:1",
        render_children=children,
        render_max_edge_px=EDGE_PX,
        render_webp_quality=QUALITY,
    )
    with tempfile.TemporaryDirectory() as scratch:
        renderer = create_pool(settings, Path(scratch), Metrics(CollectorRegistry()))
        await renderer.start()
        try:
            yield renderer
        finally:
            await renderer.close()


async def cost_of(renderer: RenderPool, path: Path, out: Path) -> Cost:
    """Render one file; the parent's time ends before the children's is read, which costs the parent more."""
    children_before = descendants_seconds(os.getpid())
    started, parent_before = time.perf_counter(), time.process_time()
    rendered = await renderer.render(path.read_bytes(), file_name=path.name)  # noqa: ASYNC240 - nothing else runs
    webp = rendered.webp if isinstance(rendered, Rendition) else b""
    out.write_bytes(webp)  # noqa: ASYNC240
    parent_seconds, wall_seconds = time.process_time() - parent_before, time.perf_counter() - started
    return Cost(
        name=path.name,
        cpu_seconds=parent_seconds + descendants_seconds(os.getpid()) - children_before,
        parent_cpu_seconds=parent_seconds,
        wall_seconds=wall_seconds,
        output_bytes=len(webp),
        verdict=rendered.verdict,
    )


if __name__ == "__main__":
    answer(asyncio.run(costs(given())))
