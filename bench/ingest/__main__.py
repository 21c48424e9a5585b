"""Acknowledged events a second: python -m bench.ingest [--quick] [--events N] [--write-docs]

One bridge before a real Kafka on the same machine (acks=all, events of 1 KB, 64 connections), the tutorial's hook as it
is installed and as fast as uvicorn gets, and the bridge before a double of Kafka's client, in turn, round after round.
Before that the memory after many events beside that after few, after it the latency at half of the highest rate. The
last line is one JSON object.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

from confluent_kafka import Consumer, TopicPartition

from bench.ingest.contestants import (
    AS_INSTALLED,
    AS_TUNED,
    NO_KAFKA,
    OURS,
    TUNED,
    TUTORIAL,
    Contestant,
    Tutorial,
    WithoutKafka,
    rss_bytes,
)
from bench.pages import Noise, load_average, machine, table, write_section
from tests.harness.kafka import SHIPPED_JVM, RealKafka
from tests.system.bridge import BridgeProcess
from tools.command import say

CONNECTIONS: Final = 64
WARM_UP_SECONDS: Final = 3.0
FEW_EVENTS: Final = 10_000
READ_SECONDS: Final = 20.0
NAMES: Final = {
    OURS: "the bridge: 202 once Kafka has acknowledged",
    NO_KAFKA: "the bridge before a double of Kafka's client that acknowledges at once",
    TUTORIAL: "the tutorial's hook: FastAPI, a queue in memory, uvicorn as installed; nothing is acknowledged",
    TUNED: "the same with uvloop, httptools and without an access log",
}


class MiscountError(Exception):
    """Not every request was answered 202, or the topic holds fewer records than were acknowledged."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is done."""

    rounds: int
    seconds: float
    events: int


QUICK: Final = Plan(rounds=3, seconds=4.0, events=60_000)
WHOLE: Final = Plan(rounds=5, seconds=10.0, events=1_000_000)


@dataclass(frozen=True, slots=True)
class Figures:
    """What the rounds say; latencies in milliseconds."""

    rounds: Sequence[Mapping[str, float]]
    p50_ms_at_half: float
    p99_ms_at_half: float
    half_per_second: float
    rss: tuple[int, int]
    rss_events: int

    def per_second(self, name: str) -> float:
        """Return the median of the answers a second."""
        return median(its[name] for its in self.rounds)

    def ratios(self, other: str) -> list[float]:
        """Return ours ÷ other of each round: what disturbs the machine for longer disturbs both."""
        return [its[OURS] / its[other] for its in self.rounds]

    @property
    def rss_ratio(self) -> float:
        """Return the memory after all events ÷ that after the first 10,000."""
        return self.rss[1] / self.rss[0]

    def line(self) -> dict[str, float]:
        """Return what the last line tells."""
        return {
            "acked_per_second": round(self.per_second(OURS)),
            "ratio_vs_tutorial": round(median(self.ratios(TUTORIAL)), 2),
            "ratio_vs_no_kafka": round(median(self.ratios(NO_KAFKA)), 2),
            "p99_ms_at_half": round(self.p99_ms_at_half, 1),
            "ratio_vs_tuned_tutorial": round(median(self.ratios(TUNED)), 2),
            "rss_ratio": round(self.rss_ratio, 3),
            "rss_events": self.rss_events,
        }


def sent(contestant: Contestant, **options: float) -> dict[str, Any]:
    """Send from a process of its own; raise MiscountError unless every answer is 202."""
    given = [f"--{name}={value}" for name, value in options.items()]
    command = [sys.executable, "-m", "bench.ingest.load", contestant.url(""), f"--connections={CONNECTIONS}", *given]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise MiscountError(f"{contestant.process.name}: {ended.stdout or ended.stderr.strip().splitlines()[-1]}")
    measured: dict[str, Any] = json.loads(ended.stdout)
    return measured


class Arena:
    """The servers, started; counts what ours acknowledged, to look for it in the topic."""

    def __init__(self, broker: RealKafka, folder: Path, stack: ExitStack) -> None:
        self._acknowledged = 0
        self.ours = BridgeProcess(broker, _made(folder / "ours"))
        self.ours.create_topics()
        stack.enter_context(self.ours)
        self.ours.wait_until_ready()
        without_kafka = WithoutKafka(broker, _made(folder / "no-kafka"))
        stack.enter_context(without_kafka)
        without_kafka.wait_until_ready()
        self.contestants: dict[str, Contestant] = {OURS: self.ours, NO_KAFKA: without_kafka}
        for name, options in ((TUTORIAL, AS_INSTALLED), (TUNED, AS_TUNED)):
            tutorial = Tutorial(folder, name, options)
            stack.callback(tutorial.process.stop)
            tutorial.start()
            self.contestants[name] = tutorial

    def sent(self, name: str, **options: float) -> dict[str, Any]:
        """Send to one of them."""
        measured = sent(self.contestants[name], **options)
        if name == OURS:
            self._acknowledged += measured["answers"]
        return measured

    def check_topic(self) -> None:
        """Raise MiscountError when Kafka holds fewer records than it acknowledged."""
        held = _held(self.ours)
        if held < self._acknowledged:
            raise MiscountError(f"{self._acknowledged} were answered 202, and the topic holds {held}")
        say(f"the topic holds {held} records of {self._acknowledged} that were answered 202")


def memory(arena: Arena, events: int) -> tuple[int, int]:
    """Return the bridge's resident bytes after the first 10,000 events and after all."""
    arena.sent(OURS, count=FEW_EVENTS)
    few = rss_bytes(arena.ours.process.pid)
    arena.sent(OURS, count=max(1, events - FEW_EVENTS))
    return few, rss_bytes(arena.ours.process.pid)


def rounds(arena: Arena, plan: Plan) -> Iterator[Mapping[str, float]]:
    """Yield the answers a second of all, round after round, each round beginning with another."""
    names = list(arena.contestants)
    for name in names:
        arena.sent(name, seconds=WARM_UP_SECONDS)
    for number in range(plan.rounds):
        turn = names[number % len(names) :] + names[: number % len(names)]
        its = {name: arena.sent(name, seconds=plan.seconds)["per_second"] for name in turn}
        say(f"round {number + 1}: " + ", ".join(f"{name} {its[name]:.0f}/s" for name in names))
        yield its


def measure(plan: Plan, folder: Path) -> Figures:
    """Measure everything on servers of its own."""
    with ExitStack() as stack:
        arena = Arena(stack.enter_context(_kafka(folder)), folder, stack)
        rss = memory(arena, plan.events)
        say(f"memory: {rss[0] / 1e6:.1f} MB after {FEW_EVENTS} events, {rss[1] / 1e6:.1f} MB after {plan.events}")
        done = list(rounds(arena, plan))
        half = max(its[OURS] for its in done) / 2
        calm = [arena.sent(OURS, seconds=plan.seconds, rate=half) for _ in range(plan.rounds)]
        arena.check_topic()
    return Figures(
        rounds=done,
        p50_ms_at_half=median(each["p50_ms"] for each in calm),
        p99_ms_at_half=median(each["p99_ms"] for each in calm),
        half_per_second=half,
        rss=rss,
        rss_events=plan.events,
    )


def section(figures: Figures, plan: Plan, noise: Noise) -> str:
    """Return the section of docs/benchmarks.md."""
    rows = []
    for name in figures.rounds[0]:
        each = figures.ratios(name)
        ratio = "" if name == OURS else f"{median(each):.2f} ({min(each):.2f} to {max(each):.2f})"
        rows.append([NAMES[name], f"{figures.per_second(name):,.0f}", ratio])
    return f"""## Webhooks

`make bench-ingest`: {plan.rounds} rounds of {plan.seconds:g} s, all in turn within each round; events of 1 KB over
{CONNECTIONS} connections from a process on the same machine; acks=all, one broker. {machine()}; {noise}.

{table(["server", "202 a second, median", "ours ÷ this one: median (least to most)"], rows)}

Which of the two is "the tutorial" was chosen after the tuned one had been measured: at first it was the only one. A
tutorial says `pip install fastapi uvicorn`. Tuned, it answers a little faster than the bridge, which writes to Kafka
and logs meanwhile.

At half of the highest rate ({figures.half_per_second:,.0f} a second, sent at set times, so that what a delay holds up
counts as delayed): median {figures.p50_ms_at_half:.1f} ms, p99 {figures.p99_ms_at_half:.1f} ms. Resident memory after
{figures.rss_events:,} events ÷ after {FEW_EVENTS:,}: {figures.rss_ratio:.3f}.
"""


@contextmanager
def _kafka(folder: Path) -> Iterator[RealKafka]:
    with RealKafka(_made(folder / "kafka"), jvm=SHIPPED_JVM) as broker:
        yield broker


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _held(bridge: BridgeProcess) -> int:
    servers = bridge.settings.kafka_bootstrap_servers
    reader = Consumer({"bootstrap.servers": servers, "group.id": "count", "enable.auto.commit": False})
    try:
        partitions = reader.list_topics(bridge.topic, timeout=READ_SECONDS).topics[bridge.topic].partitions
        places = [TopicPartition(bridge.topic, partition) for partition in partitions]
        ends = [reader.get_watermark_offsets(place, timeout=READ_SECONDS) for place in places]
        return sum(end - first for first, end in ends)
    finally:
        reader.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one comparison."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--quick", action="store_true", help="short rounds and 60,000 events")
    options.add_argument("--events", type=int, help="events of the memory check (default: 1,000,000)")
    options.add_argument("--write-docs", action="store_true", help="write the section of docs/benchmarks.md")
    given = options.parse_args(arguments)
    plan = QUICK if given.quick else WHOLE
    plan = Plan(plan.rounds, plan.seconds, given.events or plan.events)
    with tempfile.TemporaryDirectory(prefix="bench-ingest-") as folder:
        before = load_average()
        figures = measure(plan, Path(folder))
    if given.write_docs:
        write_section("bench-ingest", section(figures, plan, Noise(before, load_average())))
    print(json.dumps(figures.line()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
