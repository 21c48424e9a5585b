"""`python -m tests.system.idle`: what an idle worker costs, from its start until it is ready and has rendered one file.

Counts the worker, its forkserver and the one child that rendered: CPU as user and system time of all of them, memory
as the sum of their proportional set sizes (PSS: pages that several of them share are counted once), and as the plain
sum of resident set sizes for comparison. The last line is one JSON object.
"""

import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tests.harness.kafka import RealKafka
from tests.harness.s3 import Minio
from tests.system.rig import Rig, running

TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
QUIET_SECONDS: Final = 3.0
MEGABYTE: Final = 1_000_000


def family(pid: int) -> Iterator[int]:
    """Yield a process and all its living descendants."""
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from family(int(child))


def cpu_seconds(pid: int) -> float:
    """Return the user and system time of a process, and of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICKS_PER_SECOND


def memory_bytes(pid: int, kind: str) -> int:
    """Return a process's Pss or Rss."""
    found = re.search(rf"^{kind}: +(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def measure(rig: Rig) -> dict[str, Any]:
    """Start a worker, let it render one file, and measure it."""
    worker = rig.product.add_worker()
    ready = sum(map(cpu_seconds, family(worker.pid)))
    before = len(list(family(worker.pid)))
    rig.wait_for_ends([rig.drop()])
    settled_at = time.monotonic() + QUIET_SECONDS
    rig.wait("the worker to settle", lambda: time.monotonic() > settled_at)
    pids = list(family(worker.pid))
    counted = {
        "processes": len(pids),
        "processes_before_the_first_file": before,
        "cpu_seconds_after_one_file": round(sum(map(cpu_seconds, pids)), 2),
        "sum_of_rss_bytes": sum(memory_bytes(pid, "Rss") for pid in pids),
        "cpu_seconds": round(ready, 2),
        "rss_bytes": sum(memory_bytes(pid, "Pss") for pid in pids),
    }
    assert worker.stop(60) == 0
    return counted


def main() -> int:
    """Measure with servers of its own."""
    with tempfile.TemporaryDirectory(prefix="idle-") as name:
        folder = Path(name)
        for part in ("kafka", "s3"):
            (folder / part).mkdir()
        with (
            RealKafka(folder / "kafka") as kafka,
            Minio(folder / "s3") as s3,
            running(folder, kafka, s3, {"RENDER_CHILDREN": "1"}) as rig,
        ):
            counted = measure(rig)
    told = {name: value for name, value in counted.items() if name not in {"cpu_seconds", "rss_bytes"}}
    sys.stdout.write(json.dumps(told) + "\n")
    result = {"cpu_seconds": counted["cpu_seconds"], "rss_bytes": counted["rss_bytes"]}
    sys.stdout.write(json.dumps(result, separators=(",", ":")) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
