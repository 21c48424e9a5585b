"""What a million rows of the due table cost, on Apache Kafka: python -m bench.due [--quick] [--write-docs]

The rows lie in the changelog. Measured are: reading them back from the changelog and from RocksDB on disk; a sweep that
finds nothing; previews that expire in the same second, 10,000 and then 100,000, from the moment at which they are due
until the last result and the last tombstone are acknowledged, with the longest time for which the event loop stood
still; and the memory of the index. The last line is one JSON object.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from bench.due.rows import fill
from bench.due.worker import Expired, Plan, Told, settings_of
from bench.pages import Noise, load_average, machine, table, write_section
from stream.kafka.provisioning import provision
from stream.topics import DUE_TABLE, Topics, changelog
from tests.harness.kafka import SHIPPED_JVM, RealKafka
from tools.command import say

ROOT: Final = Path(__file__).parents[2]
PARTITIONS: Final = 4
ROWS: Final = 1_000_000
QUICK_ROWS: Final = 200_000
EXPIRE: Final = (10_000, 100_000)
LIFE_SECONDS: Final = 400.0
TOPICS_SECONDS: Final = 30.0


class Bench:
    """One broker, one group, and the lives of its only worker."""

    def __init__(self, kafka: RealKafka, folder: Path, rows: int) -> None:
        name = uuid.uuid4().hex[:8]
        self._folder = folder
        self._plan = Plan(
            bootstrap_servers=kafka.bootstrap_servers,
            group=name,
            prefix=f"{name}.",
            partitions=PARTITIONS,
            store="memory",
            data_dir=str(folder / "data"),
            rows=rows,
        )

    def fill(self) -> None:
        """Make the topics, and write all rows into the changelog."""
        settings = settings_of(self._plan)
        if refused := [
            one for one in provision(settings, create=True, wait_seconds=TOPICS_SECONDS) if one.state != "created"
        ]:
            raise RuntimeError(f"topics are not as they should be: {refused}")
        name, topic = changelog(settings.group, DUE_TABLE), Topics.of(settings).lifecycle
        rows, partitions = self._plan.rows, PARTITIONS
        fill(self._plan.bootstrap_servers, name, topic, rows=rows, partitions=partitions, now=time.time())

    def life(self, store: str, expire: Sequence[int] = ()) -> Told:
        """Let a worker live, and return what it tells."""
        plan = msgspec.structs.replace(self._plan, store=store, expire=expire)
        command = [sys.executable, "-m", "bench.due.worker", msgspec.json.encode(plan).decode()]
        log = self._folder / "worker.log"
        with log.open("wb") as stderr:
            ended = subprocess.run(
                command, cwd=ROOT, stdout=subprocess.PIPE, stderr=stderr, timeout=LIFE_SECONDS, check=False
            )
        if not ended.stdout:
            raise RuntimeError(log.read_text()[:6000])
        told = msgspec.json.decode(ended.stdout.splitlines()[-1], type=Told)
        if told.rows != plan.rows:
            raise RuntimeError(f"{plan.rows} rows were written, and {told.rows} read back")
        return told

    def index_bytes_per_row(self) -> float:
        """Return the memory of the index of the rows that the last life on disk has left."""
        return measured_apart(self._plan.data_dir, changelog(settings_of(self._plan).group, DUE_TABLE))


def measured_apart(*arguments: str) -> float:
    """Return the memory of a row's index in a process of its own, whose memory nothing else has grown."""
    command = [sys.executable, "-m", "bench.due.index", *arguments]
    return float(subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout)


def measure(bench: Bench, rows: int) -> dict[str, Told]:
    """Return what each life told."""
    bench.fill()
    say(f"{rows} rows lie in the changelog")
    lives = {}
    for name, store, expire in (
        ("memory", "memory", ()),
        ("rocksdb, first", "rocksdb", ()),
        ("rocksdb, again", "rocksdb", EXPIRE),
    ):
        told = lives[name] = bench.life(store, expire)
        say(f"{name}: ready after {told.ready_seconds:.1f} s ({told.ready_cpu_seconds:.1f} s CPU)")
    return lives


def _told_of(expired: Expired) -> str:
    return f"""- {expired.previews:,} previews of them expire in the same second, the storage answering at once:
  {expired.seconds:.1f} s from the moment at which they are due until the last result and the last row's tombstone are
  acknowledged ({expired.cpu_seconds:.1f} s CPU); the event loop stood still for {expired.max_stall_ms:.0f} ms at most,
  {expired.max_stall_cpu_ms:.0f} ms at most of CPU. Requests to the storage: {expired.delete_requests},
  of {expired.largest_delete:,} objects at most."""


def section(line: dict[str, float], lives: dict[str, Told], noise: Noise) -> str:
    """Return the section of docs/benchmarks.md."""
    rows = [
        [name, f"{told.ready_seconds:.1f} s", f"{told.ready_cpu_seconds:.1f} s", f"{told.rss_bytes / 1e6:.0f} MB"]
        for name, told in lives.items()
    ]
    expiries = "\n".join(map(_told_of, lives["rocksdb, again"].expired))
    return f"""## The due table

`make bench-due`: {line["rows"]:,} rows, expiries of previews within the next week, in {PARTITIONS} partitions of Apache
Kafka on the same machine. {machine()}; {noise}.

{table(["store", "start until ready", "CPU of it", "resident memory"], rows)}

- A sweep that finds nothing: {line["idle_sweep_ms"]:.3f} ms.
{expiries}
- Rows in RocksDB have their index there, too: opening all of them and a first sweep take
  {line["bytes_per_row"]:.0f} bytes of memory a row, what RocksDB keeps of its files included. Beside rows in memory,
  which have the key already, the index of a row takes {line["bytes_per_row_memory_store"]:.0f} bytes.
"""


def main() -> int:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--quick", action="store_true", help=f"{QUICK_ROWS} rows")
    options.add_argument("--write-docs", action="store_true", help="write the section of docs/benchmarks.md")
    given = options.parse_args()
    rows, before = QUICK_ROWS if given.quick else ROWS, load_average()
    with tempfile.TemporaryDirectory(prefix="bench-due-") as folder:
        home = Path(folder, "kafka")
        home.mkdir()
        with RealKafka(home, jvm=SHIPPED_JVM) as kafka:
            bench = Bench(kafka, Path(folder), rows)
            lives = measure(bench, rows)
            beside_disk = bench.index_bytes_per_row()
    last = lives["rocksdb, again"]
    ten_thousand, many = last.expired
    line = {
        "rows": rows,
        "idle_sweep_ms": round(last.idle_sweep_ms, 3),
        "expire_10k_seconds": round(ten_thousand.seconds, 2),
        "max_stall_ms": round(ten_thousand.max_stall_ms, 1),
        "bytes_per_row": round(beside_disk),
        "recover_changelog_seconds": round(lives["rocksdb, first"].ready_seconds, 1),
        "recover_disk_seconds": round(last.ready_seconds, 1),
        "recover_changelog_seconds_memory_store": round(lives["memory"].ready_seconds, 1),
        "bytes_per_row_memory_store": round(measured_apart(str(rows))),
        "expire_10k_cpu_seconds": round(ten_thousand.cpu_seconds, 2),
        "expire_100k_same_second_seconds": round(many.seconds, 2),
        "expire_100k_cpu_seconds": round(many.cpu_seconds, 2),
        "max_stall_100k_ms": round(many.max_stall_ms, 1),
        "max_stall_100k_cpu_ms": round(many.max_stall_cpu_ms, 1),
        "delete_requests": many.delete_requests,
        "largest_delete": many.largest_delete,
    }
    if given.write_docs:
        write_section("bench-due", section(line, lives, Noise(before, load_average())))
    print(json.dumps(line))
    return 0


if __name__ == "__main__":
    sys.exit(main())
