"""What the workers did, and how it is told."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any, Final

from bench.pages import Noise, machine, table
from bench.scale.worker import DOWNLOAD_SECONDS, HEAD_SECONDS, POST_SECONDS, PUT_SECONDS, RENDER_SECONDS, TTL_SECONDS

WORKERS: Final = (1, 2, 4)
PARTITIONS: Final = 32
LEAST_EFFICIENCY: Final = 3.6


@dataclass(frozen=True, slots=True)
class Count:
    """What so many workers did in a span of time; CPU in cores."""

    workers: int
    per_second: float
    worker_cores: float
    """Of all workers together."""
    kafka_cores: float
    least_waiting: int


@dataclass(frozen=True, slots=True)
class Figures:
    """All counts, and what became of the events."""

    counts: Sequence[Count]
    events: int
    lost: int
    duplicates: int
    noise: Noise

    def of(self, workers: int) -> Sequence[Count]:
        """Return the counts of so many workers."""
        return [count for count in self.counts if count.workers == workers]

    def per_second(self, workers: int) -> float:
        """Return the mean of the events that so many workers end a second."""
        return mean(count.per_second for count in self.of(workers))

    def worker_cpu_ms(self, workers: int) -> float:
        """Return the CPU milliseconds of an event, in the workers."""
        return mean(count.worker_cores / count.per_second for count in self.of(workers)) * 1000

    @property
    def efficiency(self) -> float:
        """Return what four workers do ÷ what one does."""
        return self.per_second(WORKERS[-1]) / self.per_second(WORKERS[0])

    @property
    def well(self) -> bool:
        """Tell whether nothing was lost and the workers did not hinder each other."""
        return not self.lost and self.efficiency >= LEAST_EFFICIENCY

    def line(self) -> dict[str, Any]:
        """Return what the last line tells."""
        return {
            "workers": list(WORKERS),
            "per_second": [round(self.per_second(workers), 2) for workers in WORKERS],
            "efficiency": round(self.efficiency, 3),
            "events": self.events,
            "lost": self.lost,
            "duplicates": self.duplicates,
            "cores_per_worker": [round(_cores_per_worker(self.of(workers)), 3) for workers in WORKERS],
            "kafka_cores": [round(mean(count.kafka_cores for count in self.of(workers)), 3) for workers in WORKERS],
            "load_average": [round(self.noise.before, 1), round(self.noise.after, 1)],
        }


def section(figures: Figures, seconds: float) -> str:
    """Return the section of docs/benchmarks.md."""
    turn = ", ".join(str(count.workers) for count in figures.counts)
    waiting = min(count.least_waiting for count in figures.counts)
    waits = (
        f"download {DOWNLOAD_SECONDS:g} s, rendering {RENDER_SECONDS:g} s, PUT {PUT_SECONDS:g} s, "
        f"HEAD {HEAD_SECONDS:g} s, post {POST_SECONDS:g} s"
    )
    return f"""## Scaling out

`make bench-scale`: Apache Kafka, {PARTITIONS} partitions, one group, the product's own workers, each a process, with
waits in place of work: {waits}. With
RENDER_CONCURRENCY = 8 as it comes, waits bound a worker to 16 events a second, less than one core renders.
Tables, due rows, expiry after {TTL_SECONDS:g} s and results are as ever. Workers join under load and leave by SIGTERM,
in the turn {turn}. Each figure counts {seconds:g} s once every worker owned {PARTITIONS} ÷ workers
partitions of each topic, with attachments waiting in all of them ({waiting} at least).

{_table(figures)}

{figures.events:,} events over all of it, rebalances included: {figures.lost} lost, {figures.duplicates} outcomes twice.
{machine()}; {figures.noise}.

It shows that workers do not wait for each other: nothing in the consumer, the lanes, the tables or the results is
shared among them but Kafka. It does not show that four renderers do four times one's work: two cores cannot tell that,
and a broker, a storage or Genesys may be full before. A worker takes about a tenth of a core to look for records even
where there are few, which is most of its CPU here; under full load an event costs what `make bench-lane` says.
"""


def _table(figures: Figures) -> str:
    one = figures.per_second(WORKERS[0])
    rows = [
        [
            str(workers),
            ", ".join(f"{count.per_second:.1f}" for count in figures.of(workers)),
            f"{figures.per_second(workers) / one:.2f}",
            f"{figures.worker_cpu_ms(workers):.1f}",
            f"{mean(count.kafka_cores for count in figures.of(workers)):.2f}",
        ]
        for workers in WORKERS
    ]
    head = ["workers", "events ended a second", "÷ one worker", "CPU ms an event, workers", "cores, Kafka"]
    return table(head, rows)


def _cores_per_worker(counts: Sequence[Count]) -> float:
    return mean(count.worker_cores / count.workers for count in counts)
