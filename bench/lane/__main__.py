"""What the lane costs, on Apache Kafka: python -m bench.lane [--quick]

A backlog of 100,000 attachments goes through the product's own worker, with files, rendering, Genesys and the storage
answering at once. Measured are the worker's CPU for one event, less that of a bare Faust agent for one; records in
memory; growth of memory; and how long partitions stand still after a SIGKILL. The last line is one JSON object.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path
from typing import Final

import msgspec

from bench.lane.load import Load
from bench.lane.recovery import Pulse, recoveries
from bench.lane.worker import Plan, Told, settings_of
from stream.kafka.provisioning import provision
from stream.topics import Topics
from tests.harness.kafka import RealKafka
from tests.harness.processes import Process
from tools.command import say

ROOT: Final = Path(__file__).parents[2]
PARTITIONS: Final = 4
SESSION_SECONDS: Final = 6.0
"""The least that Kafka grants."""
LIFE_SECONDS: Final = 400.0
TOPICS_SECONDS: Final = 30.0
TOPICS_HOURS: Final = 24
"""How long Kafka keeps the records; the worker under measurement is told 0, so that rows live as long as previews."""


class Bench:
    """One broker, and groups with topics of their own."""

    def __init__(self, kafka: RealKafka, folder: Path) -> None:
        self._kafka = kafka
        self._folder = folder
        self._lives = 0

    def plan(self, *, bare: bool = False, **more: int) -> Plan:
        """Return a plan with topics of its own, which are made."""
        name = uuid.uuid4().hex[:8]
        plan = Plan(
            bootstrap_servers=self._kafka.bootstrap_servers,
            group=name,
            prefix=f"{name}.",
            partitions=PARTITIONS,
            data_dir=str(self._folder / name),
            session_seconds=SESSION_SECONDS,
            bare=bare,
            **more,
        )
        kept = msgspec.structs.replace(settings_of(plan), topic_retention_hours=TOPICS_HOURS)
        reports = provision(kept, create=True, wait_seconds=TOPICS_SECONDS)
        if refused := [report for report in reports if report.state != "created"]:
            raise RuntimeError(f"topics are not as they should be: {refused}")
        return plan

    def load(self, plan: Plan) -> Load:
        """Return what writes to the plan's [attachments]."""
        return Load(settings_of(plan), Topics.of(settings_of(plan)).attachments)

    def measured(self, backlog: int, *, bare: bool = False, **more: int) -> Told:
        """Let a worker loose on a backlog, and return what it tells."""
        plan = self.plan(bare=bare, **more)
        self.load(plan).fill(backlog)
        with (
            (self._folder / "measured.log").open("wb") as log,
            subprocess.Popen(self._command(plan), cwd=ROOT, stdout=subprocess.PIPE, stderr=log) as process,
        ):
            try:
                told, _ = process.communicate(timeout=LIFE_SECONDS)
            finally:
                process.kill()
        if not told:
            raise RuntimeError((self._folder / "measured.log").read_text()[-4000:])
        return msgspec.json.decode(told.splitlines()[-1], type=Told)

    def worker(self, plan: Plan) -> Process:
        """Start a worker that is not measured."""
        self._lives += 1
        own = msgspec.structs.replace(plan, data_dir=f"{plan.data_dir}-{self._lives}")
        log = self._folder / f"worker-{self._lives}.log"
        worker = Process(f"worker-{self._lives}", self._command(own), log, folder=ROOT)
        worker.start()
        return worker

    def recoveries(self, kills: int) -> list[float]:
        """Kill workers, and return the pauses in seconds."""
        plan = self.plan()
        settings, topics = settings_of(plan), Topics.of(settings_of(plan))
        pulse = Pulse(settings, topics.attachments, topics.results)
        try:
            return recoveries(pulse, lambda: self.worker(plan), kills, say)
        finally:
            pulse.close()

    def _command(self, plan: Plan) -> list[str]:
        return [sys.executable, "-m", "bench.lane.worker", msgspec.json.encode(plan).decode()]


def measure(bench: Bench, *, quick: bool) -> dict[str, object]:
    """Return all figures."""
    backlog, events, growth, kills = (20_000, 3_000, 5_000, 1) if quick else (100_000, 10_000, 50_000, 3)
    pauses = bench.recoveries(kills)
    ours = bench.measured(backlog, warm_up=events // 2, events=events, growth_events=growth)
    say(f"the worker: {ours.cpu_ms_per_event:.3f} ms CPU an event, {ours.events_per_second:.0f} a second")
    # Last: bare Faust may be left without partitions for minutes by a broker that has not had a group yet.
    bare = bench.measured(2 * events, bare=True, warm_up=events // 2, events=events)
    say(f"a bare Faust agent: {bare.cpu_ms_per_event:.3f} ms CPU an event, {bare.events_per_second:.0f} a second")
    return figures(backlog, ours=ours, bare=bare, pauses=pauses)


def figures(backlog: int, *, ours: Told, bare: Told, pauses: list[float]) -> dict[str, object]:
    """Return what the last line says."""
    return {
        "backlog": backlog,
        "held_max": ours.held_max,
        "held_by_lane_when_all_jobs_hang": ours.held_by_lane,
        "rss_growth_bytes": ours.rss_growth_bytes,
        "rss_events": ours.rss_events,
        "cpu_ms_per_event": round(ours.cpu_ms_per_event - bare.cpu_ms_per_event, 3),
        "worker_cpu_ms_per_event": round(ours.cpu_ms_per_event, 3),
        "bare_faust_cpu_ms_per_event": round(bare.cpu_ms_per_event, 3),
        "events_per_second": round(ours.events_per_second),
        "recovery_seconds": round(max(pauses), 2),
        "session_seconds": SESSION_SECONDS,
        "kills": len(pauses),
    }


def main() -> int:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--quick", action="store_true", help="fewer events, one kill")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder, RealKafka(Path(folder)) as kafka:
        measured = measure(Bench(kafka, Path(folder)), quick=given.quick)
    print(json.dumps(measured))
    return 0


if __name__ == "__main__":
    sys.exit(main())
