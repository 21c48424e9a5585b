"""Thousands of mixed files through one child that is never replaced: what stays resident after each."""

import asyncio
import itertools
import os
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from agents.rendering.pool import RenderPool
from agents.rendering.verdicts import Limits
from tests.agents.rendering.pools import running_pool

FIRST_MARK = 500
LAST_MARK = 5_000
NEVER = 1_000_000
SETTLED_SECONDS = 0.6  # a child gives memory back in the first pause that it has


async def endurance(files: Sequence[Path], reference: bytes) -> dict[str, float]:
    """Return what is resident after 500 and after 5,000 files, each time after the same last one."""
    resident: dict[int, int] = {}
    lost: list[str] = []
    async with running_pool(Limits(), jobs_per_child=NEVER, on_lost=lost.append) as pool:
        for number, path in enumerate(itertools.islice(mixed(files), LAST_MARK), start=1):
            before = len(lost)
            await pool.render(path.read_bytes(), file_name=path.name)
            if len(lost) > before:
                raise RuntimeError(f"{path} cost the child ({lost[-1]}): leave it out")
            if number in {FIRST_MARK, LAST_MARK}:
                await pool.render(reference, file_name="reference.jpg")
                await asyncio.sleep(SETTLED_SECONDS)
                resident[number] = _resident_bytes(pool)
    return {
        "rss_after_500_bytes": resident[FIRST_MARK],
        "rss_after_5000_bytes": resident[LAST_MARK],
        "rss_ratio": round(resident[LAST_MARK] / resident[FIRST_MARK], 3),
    }


def mixed(files: Sequence[Path]) -> Iterator[Path]:
    """Yield the files for ever, each round in another order that is the same at every run."""
    for seed in itertools.count():
        yield from random.Random(seed).sample(files, len(files))


def _resident_bytes(pool: RenderPool) -> int:
    (child,) = pool._crew.idle
    return int(Path(f"/proc/{child.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
