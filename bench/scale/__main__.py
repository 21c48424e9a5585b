"""Whether workers hinder each other: python -m bench.scale [--quick] [--write-docs]

Apache Kafka and the product's own workers, with waits in place of files, rendering, storage and Genesys, so that a
worker is bound by its concurrency and not by this machine's two cores. Workers join one group under load, 1, 2 and 4,
and leave it again, and each time that the partitions are shared evenly the events that end are counted for a while.
The last line is one JSON object; the exit code is 1 when events were lost or four workers did less than 3.6 times what
one does.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import msgspec

from agents.kafka.lane import LaneLimits
from bench.cpu import process_seconds
from bench.pages import Noise, load_average, write_section
from bench.scale.feed import Feed
from bench.scale.figures import PARTITIONS, WORKERS, Count, Figures, section
from bench.scale.members import Members
from bench.scale.worker import Plan, settings_of
from stream.kafka.provisioning import provision
from tests.harness.kafka import SHIPPED_JVM, RealKafka
from tools.command import say

SESSION_SECONDS: Final = 10.0
SETTLED_SECONDS: Final = 60.0
WARM_UP_SECONDS: Final = 5.0
BROKER_SECONDS: Final = 15.0
"""Before the first count: until Java has compiled what it does often, a broker answers more slowly."""
ENDS_SECONDS: Final = 60.0
LATE_SECONDS: Final = 1.0
TOPICS_SECONDS: Final = 30.0
TOPICS_HOURS: Final = 24
"""How long Kafka keeps the records; the workers are told 0, so that rows live as long as previews."""
RESERVE: Final = 4
"""Records that wait in each partition beyond those that a worker has taken."""


class UnfairError(Exception):
    """A partition was without work, or was moved, while events were counted."""


class Bench:
    """One broker, one group, and workers that come and go under load."""

    def __init__(self, kafka: RealKafka, folder: Path, stack: ExitStack) -> None:
        plan = Plan(
            bootstrap_servers=kafka.bootstrap_servers,
            prefix="scale.",
            partitions=PARTITIONS,
            session_seconds=SESSION_SECONDS,
        )
        settings = settings_of(plan)
        kept = msgspec.structs.replace(settings, topic_retention_hours=TOPICS_HOURS)
        provision(kept, create=True, wait_seconds=TOPICS_SECONDS)
        self._kafka = kafka
        self.feed = Feed(settings)
        stack.callback(self.feed.close)
        self._members = Members(plan, folder)
        stack.callback(self._members.stop)

    def warm_up(self, workers: int) -> None:
        """Let so many workers do what they do, uncounted."""
        self._bring_to(workers)
        self.feed.go_on(BROKER_SECONDS)

    def count(self, workers: int, seconds: float) -> Count:
        """Bring it to so many workers, wait until the partitions are shared, and count for a while."""
        self._bring_to(workers)
        self.feed.go_on(WARM_UP_SECONDS)
        counted = self._counted(workers, seconds)
        say(f"{workers} at work: {counted.per_second:.1f} events a second, {counted.worker_cores:.2f} cores")
        if counted.least_waiting <= taken(workers):
            raise UnfairError(f"a partition had {counted.least_waiting} attachments, {taken(workers)} of them taken")
        return counted

    def _bring_to(self, workers: int) -> None:
        self.feed.ahead = max(self.feed.ahead, taken(workers) + RESERVE)
        self._members.bring_to(workers)
        self._until_settled(workers)

    def _until_settled(self, workers: int) -> None:
        """Wait until every worker owns as much as the others, and an event of every partition has ended since."""
        self.feed.until(self._members.share_evenly, SETTLED_SECONDS, f"{workers} workers share the partitions")
        since, every = time.time(), set(range(PARTITIONS))
        self.feed.until(lambda: self.feed.ended_in(since) == every, SETTLED_SECONDS, "all partitions move")

    def _counted(self, workers: int, seconds: float) -> Count:
        rebalances = self._members.rebalances()
        self.feed.watch()
        began_at, before = time.time(), (self._members.cpu_seconds(), process_seconds(self._kafka.process.pid))
        self.feed.go_on(seconds)
        ended_at, after = time.time(), (self._members.cpu_seconds(), process_seconds(self._kafka.process.pid))
        least_waiting = self.feed.least_waiting
        if not self._members.share_evenly() or self._members.rebalances() != rebalances:
            raise UnfairError(f"partitions moved among {workers} workers while events were counted")
        self.feed.go_on(LATE_SECONDS)  # what has ended by then has been read afterwards
        passed = ended_at - began_at
        return Count(
            workers=workers,
            per_second=self.feed.ended_between(began_at, ended_at) / passed,
            worker_cores=(after[0] - before[0]) / passed,
            kafka_cores=(after[1] - before[1]) / passed,
            least_waiting=least_waiting,
        )


def taken(workers: int) -> int:
    """Return how many records of one partition are in the lane of the worker that owns it."""
    return LaneLimits(concurrency=1).share(PARTITIONS // workers)


def measure(folder: Path, seconds: float, turns: Sequence[int]) -> Figures:
    """Count in turn, then let all events end."""
    before = load_average()
    with ExitStack() as stack:
        kafka = stack.enter_context(RealKafka(folder, jvm=SHIPPED_JVM))
        bench = Bench(kafka, folder, stack)
        bench.warm_up(turns[0])
        counts = [bench.count(workers, seconds) for workers in turns]
        lost = bench.feed.finish(ENDS_SECONDS)
        feed = bench.feed
    return Figures(counts, feed.sent, lost, feed.copies, Noise(before, load_average()))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparison."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--quick", action="store_true", help="each number of workers once, and short")
    options.add_argument("--write-docs", action="store_true", help="write the section of docs/benchmarks.md")
    given = options.parse_args(arguments)
    seconds, turns = (10.0, WORKERS) if given.quick else (25.0, (*WORKERS, *WORKERS[::-1]))
    with tempfile.TemporaryDirectory(prefix="bench-scale-") as folder:
        figures = measure(Path(folder), seconds, turns)
    if given.write_docs:
        write_section("scale", section(figures, seconds))
    print(json.dumps(figures.line()))
    return 0 if figures.well else 1


if __name__ == "__main__":
    sys.exit(main())
