"""What metrics cost: python -m bench.metrics [--quick] [--write-docs]

What worker and bridge ask of their metrics for an event is written down while they work, by metrics that do just that,
and then done again, many times and in turn, with prometheus_client's metrics and with ones that do nothing: the
difference is what counting costs. It is held against the CPU that the processes take for an event: the worker without
its rendering children and without Kafka (bench/pipeline, with a local server), the bridge before Apache Kafka. As a
check the inner parts of both are also run, in turn, with metrics and without. The last line is one JSON object.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from bench.corpus.mix import QUICK, Corpus, corpus
from bench.cpu import process_seconds
from bench.ingest.__main__ import sent
from bench.metrics.doubles import MICROSECONDS, Named, Operation, again, cpu_us, recording, silent
from bench.metrics.periodic import PARTITIONS, SCRAPE_SECONDS, Periodic, periodic
from bench.metrics.webhooks import Webhooks
from bench.pages import Noise, load_average, machine, table, write_section
from bench.pipeline.__main__ import server
from bench.pipeline.ours import Ours, settings_for
from bench.pipeline.still import StillPipeline, settings_of
from bench.pipeline.task import Task, events
from stream.logs import configure_logging
from stream.telemetry import Metrics
from tests.harness.kafka import SHIPPED_JVM, RealKafka
from tests.system.bridge import BridgeProcess
from tools.command import say

REPLAYS: Final = 50
WEBHOOKS: Final = 1000
STILL_EVENTS: Final = 500
BRIDGE_SECONDS: Final = 6.0


class Way(NamedTuple):
    """One process's way of an event: what it asks of its metrics, and CPU microseconds of its inner part as a check."""

    operations: Sequence[Operation]
    events: int
    with_us: Sequence[float]
    without_us: Sequence[float]


@dataclass(frozen=True, slots=True)
class Cost:
    """What counting costs one process, in CPU microseconds an event."""

    calls: float
    metrics_us: float
    process_us: float
    check_us: Sequence[float]
    """The same by running its inner part with metrics and without, round by round."""

    @property
    def share(self) -> float:
        """Return the metrics' part of the process's CPU."""
        return self.metrics_us / self.process_us


def counting_us(way: Way, rounds: int) -> float:
    """Return the CPU microseconds an event that the operations take beyond what calling something takes."""
    real, none = again(way.operations, Named().by_name), again(way.operations, silent().by_name)
    differences = [cpu_us(real, REPLAYS) - cpu_us(none, REPLAYS) for _ in range(rounds)]
    return median(differences) / way.events


def cost(way: Way, rounds: int, process_us: float) -> Cost:
    """Return what it comes to, of the CPU of a whole process."""
    return Cost(
        calls=len(way.operations) / way.events,
        metrics_us=counting_us(way, rounds),
        process_us=process_us,
        check_us=[one - other for one, other in zip(way.with_us, way.without_us, strict=True)],
    )


async def worker_way(files: Corpus, rounds: int) -> tuple[Way, float]:
    """Bring the mix through a worker's pipeline against a local server; also return its CPU microseconds an event."""
    names = [source.name for source in files.in_mix]
    operations: list[Operation] = []
    with server(files.folder, ()) as ports:
        task = Task(ports["port"], ports["api_port"], names, names[:3])
        await _previews(task, recording(operations), operations)
        seconds = []
        for number in range(rounds):
            seconds.append(await _previews(task, Named(), []))
            say(f"worker, round {number + 1} of {rounds}")
    with_us, without_us = await _still(rounds)
    return Way(operations, len(names), with_us, without_us), median(seconds) / len(names) * MICROSECONDS


async def _still(rounds: int) -> tuple[list[float], list[float]]:
    """Bring events through pipelines whose services answer at once; return the CPU with metrics and without."""
    real, none = (StillPipeline(settings_of(), metrics) for metrics in (Named(), silent()))
    took: dict[StillPipeline, list[float]] = {real: [], none: []}
    for number in range(-1, rounds):
        for still in (real, none)[:: -1 if number % 2 else 1]:
            event_ids = [f"event-{number}-{each}" for each in range(STILL_EVENTS)]
            began = time.process_time()
            await still.bring(event_ids)
            if number >= 0:  # the first round warms up
                took[still].append((time.process_time() - began) / STILL_EVENTS * MICROSECONDS)
    for still in (real, none):
        await still.close()
    return took[real], took[none]


async def _previews(task: Task, metrics: Metrics, operations: list[Operation]) -> float:
    ours = Ours(settings_for(task), metrics)
    await ours.start()
    try:
        await ours.bring(events(task.warm, "warm"), task.server)
        operations.clear()
        began = time.process_time()
        await ours.bring(events(task.names, "event"), task.server)
        return time.process_time() - began
    finally:
        await ours.close()


async def bridge_way(rounds: int) -> Way:
    """Send webhooks to the bridge's application, round after round."""
    operations: list[Operation] = []
    async with Webhooks(recording(operations)) as webhooks:
        await webhooks.send(1)
        operations.clear()
        await webhooks.send(WEBHOOKS)
    each = MICROSECONDS / WEBHOOKS
    took: list[tuple[float, float]] = []
    async with Webhooks(Named()) as real, Webhooks(silent()) as none:
        for number in range(rounds):
            turn = [real, none][:: -1 if number % 2 else 1]
            seconds = {webhooks: await webhooks.send(WEBHOOKS) for webhooks in turn}
            took.append((seconds[real], seconds[none]))
    return Way(operations, WEBHOOKS, [one * each for one, _ in took], [other * each for _, other in took])


def bridge_us(kafka: RealKafka, folder: Path, rounds: int) -> float:
    """Return the CPU microseconds of a webhook in a bridge before Kafka, as busy as it can be."""
    folder.mkdir()
    bridge = BridgeProcess(kafka, folder, BRIDGE_ACCESS_LOG="all")
    bridge.create_topics()
    each = []
    with bridge:
        bridge.wait_until_ready()
        sent(bridge, seconds=BRIDGE_SECONDS / 2)
        for _ in range(rounds):
            began = process_seconds(bridge.process.pid)
            answers: int = sent(bridge, seconds=BRIDGE_SECONDS / 2)["answers"]
            each.append((process_seconds(bridge.process.pid) - began) / answers * MICROSECONDS)
    return median(each)


def line(worker: Cost, bridge: Cost, regular: Periodic) -> dict[str, float]:
    """Return what the last line tells."""
    return {
        "worker_share": round(worker.share, 4),
        "bridge_share": round(bridge.share, 4),
        "worker_metrics_us": round(worker.metrics_us, 2),
        "worker_us": round(worker.process_us, 1),
        "bridge_metrics_us": round(bridge.metrics_us, 2),
        "bridge_us": round(bridge.process_us, 1),
        "worker_check_us": round(median(worker.check_us), 1),
        "bridge_check_us": round(median(bridge.check_us), 1),
        "look_ms": round(regular.look_seconds * 1e3, 3),
        "scrape_ms": round(regular.scrape_seconds * 1e3, 1),
        "regular_share_of_a_core": round(regular.cores, 4),
    }


def section(worker: Cost, bridge: Cost, regular: Periodic, rounds: int, noise: Noise) -> str:
    """Return the section of docs/benchmarks.md."""
    head = [
        "CPU µs an event",
        "metrics",
        "all of the process",
        "share",
        "calls of a metric",
        "check: with less without",
    ]
    rows = [
        [
            name,
            f"{its.metrics_us:.1f}",
            f"{its.process_us:,.0f}",
            f"{its.share:.1%}",
            f"{its.calls:.0f}",
            f"{median(its.check_us):.0f} ({min(its.check_us):.0f} to {max(its.check_us):.0f})",
        ]
        for name, its in (("worker", worker), ("bridge", bridge))
    ]
    return f"""## What metrics cost

`make bench-metrics`: what worker and bridge ask of their metrics for an event, done again with those of
prometheus_client and with ones that do nothing, in turn; the difference is the first column. The worker's process is
that of `make bench-pipeline`, without its rendering children and without Kafka; the bridge stands before Apache Kafka
under full load. As a check the last column has runs of the inner part alone with metrics less ones without, in turn:
the median, the least and the most of a round. The worker's inner part are its agents, lanes and tables with services
that answer at once, whose calls are not counted then; the bridge's is its application without server and client.

{table(head, rows)}

{_regularly(regular)}

{rounds} rounds, medians. {machine()}; {noise}.
"""


def _regularly(regular: Periodic) -> str:
    look = f"{regular.look_seconds * 1e3:.2f} ms of CPU"
    scrape = f"{regular.scrape_bytes / 1e3:.0f} kB in {regular.scrape_seconds * 1e3:.1f} ms"
    return f"""Besides, whatever the load, a worker that owns {PARTITIONS} partitions of each topic looks at all of them
twice a second, in {look}, and every {SCRAPE_SECONDS:g} s answers a scrape, {scrape}.
Together that is {regular.cores:.2%} of a core."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and tell."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--quick", action="store_true", help="few rounds: does it run at all?")
    options.add_argument("--write-docs", action="store_true", help="write the section of docs/benchmarks.md")
    given = options.parse_args(arguments)
    rounds, before = (2 if given.quick else 7), load_average()
    with ExitStack() as stack:
        # Lines are made as in production, but nobody reads them.
        configure_logging("INFO", "json", stack.enter_context(Path(os.devnull).open("w")))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-metrics-")))
        way, worker_us = asyncio.run(worker_way(corpus(1, QUICK), rounds))
        worker = cost(way, rounds, worker_us)
        kafka = stack.enter_context(RealKafka(folder, jvm=SHIPPED_JVM))
        whole_us = bridge_us(kafka, folder / "bridge", rounds)
        bridge = cost(asyncio.run(bridge_way(rounds)), rounds, whole_us)
        regular = asyncio.run(periodic(kafka.bootstrap_servers, folder))
    if given.write_docs:
        write_section("metrics", section(worker, bridge, regular, rounds, Noise(before, load_average())))
    print(json.dumps(line(worker, bridge, regular)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
