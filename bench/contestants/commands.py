"""Peers that are commands: vipsthumbnail, one process for all files of a format, and pdftoppm, one for each file."""

import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from bench.contestants.job import EDGE_PX, QUALITY, Cost, Job, answer, given


def vipsthumbnail(job: Job) -> list[Cost]:
    """Let vipsthumbnail make all previews; each file is charged its share of its format's process."""
    by_format = defaultdict(list)
    for path in job.files:
        by_format[path.suffix].append(path)
    options = f"%s.webp[Q={QUALITY},effort={job.effort},strip]"
    command = ["vipsthumbnail", "--size", f"{EDGE_PX}x{EDGE_PX}>", "--output", f"{job.out}/{options}"]
    costs = []
    for files in by_format.values():
        seconds = cpu_seconds([*command, *map(str, files)])
        costs += [_cost(path, seconds / len(files), job.out / f"{path.stem}.webp") for path in files]
    return costs


def pdftoppm(job: Job) -> list[Cost]:
    """Let pdftoppm draw the first pages, as JPEG because it knows no WebP."""
    command = ["pdftoppm", "-singlefile", "-scale-to", str(EDGE_PX), "-jpeg", "-jpegopt", f"quality={QUALITY}"]
    costs = []
    for path in job.files:
        seconds = cpu_seconds([*command, str(path), str(job.out / path.stem)])
        costs.append(_cost(path, seconds, job.out / f"{path.stem}.jpg"))
    return costs


def cpu_seconds(command: Sequence[str]) -> float:
    """Run a command to its end and return what it used; what became of each file shows in its output."""
    environ = os.environ | {"VIPS_CONCURRENCY": "1"}  # noqa: TID251 - hands it on
    process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return used.ru_utime + used.ru_stime


def _cost(path: Path, seconds: float, out: Path) -> Cost:
    return Cost(name=path.name, cpu_seconds=seconds, output_bytes=out.stat().st_size if out.exists() else 0)


if __name__ == "__main__":
    contestant = {"vipsthumbnail": vipsthumbnail, "pdftoppm": pdftoppm}[sys.argv.pop(1)]
    answer(contestant(given()))
