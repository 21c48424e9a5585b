"""Pools that end with the test."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from agents.rendering.pool import RenderPool
from agents.rendering.verdicts import Limits

SABOTEUR = "tests.agents.rendering.saboteur"


@asynccontextmanager
async def running_pool(
    limits: Limits | None = None,
    *,
    children: int = 1,
    jobs_per_child: int = 500,
    remembered_refusals: int = 0,
    on_lost: Callable[[str], None] = lambda _: None,
    engine_module: str = "agents.rendering.engine",
) -> AsyncIterator[RenderPool]:
    """Start a pool, and see it ended."""
    pool = RenderPool(
        limits or Limits(),
        children=children,
        jobs_per_child=jobs_per_child,
        remembered_refusals=remembered_refusals,
        on_lost=on_lost,
        engine_module=engine_module,
    )
    await pool.start()
    try:
        yield pool
    finally:
        await pool.close()


def children_of(pid: int) -> set[int]:
    """Return the process ids of a process's children."""
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def environment_of(pid: int) -> set[str]:
    """Return the names of the variables that can be read of a process."""
    return {entry.split(b"=")[0].decode() for entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0") if entry}


def descriptors_of(pid: int) -> dict[int, str]:
    """Return what each open descriptor of a process is."""
    return {int(link.name): str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()}


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Await a condition under a deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the condition never came true")
        await asyncio.sleep(0.005)


def alive(pid: int) -> bool:
    """Tell whether a process exists and is no zombie."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
