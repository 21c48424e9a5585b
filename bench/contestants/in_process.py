"""Contestants that render in their own process, one file after the other."""

import resource
import time
from collections.abc import Callable
from pathlib import Path

from bench.contestants.job import Cost, Job

Preview = Callable[[Path, Path], None]


def costs(job: Job, preview: Preview) -> list[Cost]:
    """Make a preview of each file; tools that it starts are counted too."""
    for path in job.warm:
        preview(path, job.out / f"warm-{path.name}.webp")
    return [_cost(path, job.out / f"{path.name}.webp", preview) for path in job.files]


def _cost(path: Path, out: Path, preview: Preview) -> Cost:
    started, cpu_before = time.perf_counter(), _cpu_seconds()
    preview(path, out)
    cpu_seconds, wall_seconds = _cpu_seconds() - cpu_before, time.perf_counter() - started
    return Cost(name=path.name, cpu_seconds=cpu_seconds, wall_seconds=wall_seconds, output_bytes=out.stat().st_size)


def _cpu_seconds() -> float:
    ours, theirs = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return ours.ru_utime + ours.ru_stime + theirs.ru_utime + theirs.ru_stime
