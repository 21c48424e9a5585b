"""What a rate of attachments takes: python -m bench.capacity, which writes the tables of docs/capacity.md.

The costs are constants that were measured elsewhere; tests/bench/test_capacity.py holds them to the pages that tell of
the measurements, and to the code where it can be asked. Units are in the names; kB, MB and GB are powers of ten.
"""

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from bench import state
from bench.pages import DOCS, table, with_section
from bench.pipeline.still import settings_of

PAGE: Final = DOCS / "capacity.md"
DEFAULT_CONCURRENCY: Final = 8
DUE_ROWS: Final = 2
RATES: Final = (1, 100, 10_000)
SECONDS_PER_DAY: Final = 86_400
ALL_DIGITS: Final = 100
GB: Final = 1e9
MB: Final = 1e6


class Cost(NamedTuple):
    """A constant: its value, what it is, and where it comes from."""

    value: float
    meaning: str
    source: str


COSTS: Final[Mapping[str, Cost]] = {
    "render_ms": Cost(26, "CPU ms of rendering children", "[Previews a second](benchmarks.md#previews-a-second)"),
    "worker_ms": Cost(7.2, "CPU ms of the worker's process", "the same, the parent's"),
    "kafka_ms": Cost(0.97, "CPU ms of the worker's process for Kafka", "[the lane](delivery.md#what-the-lane-costs)"),
    "bridge_per_second": Cost(7935, "webhooks a second of one bridge", "[Webhooks](benchmarks.md#webhooks)"),
    "records": Cost(14, "Kafka records", "counted; fewer where previews expire at once, for these go together"),
    "record_bytes": Cost(6100, "bytes of them, keys and headers included", "counted"),
    "topic_bytes": Cost(4530, "bytes of them that stay for TOPIC_RETENTION_HOURS", "counted"),
    "rows": Cost(3, "rows of the tables", "counted: expiry, end of the `links` row, `links` row"),
    "row_bytes": Cost(870, "bytes of such a row in memory", "measured, 20,000 attachments, WORKER_TABLE_STORE=memory"),
    "disk_bytes": Cost(450, "bytes of such a row on disk", "counted, key, value and entry of the index by time"),
    "index_bytes": Cost(
        36,
        "bytes in memory of a due row on disk",
        "[the due table](benchmarks.md#the-due-table), RocksDB's share included; two of three rows are due rows",
    ),
    "row_us": Cost(27.1, "µs to read a row back, one after another", "[the due table](benchmarks.md#the-due-table)"),
    "file_bytes": Cost(1_780_000, "bytes of a file", "the mix of `make bench-render`"),
    "preview_bytes": Cost(9340, "bytes of a preview", "[What a preview costs](benchmarks.md#what-a-preview-costs)"),
    "s3_calls": Cost(3, "S3 calls: PUT, HEAD, DELETE", "and a GET for each time that somebody opens the link"),
}
CHOICES: Final[Mapping[str, Cost]] = {
    "files": Cost(4, "files of a conversation", "`n` files cost `n + 1` calls of Genesys"),
    "client_calls": Cost(294, "calls a minute of an OAuth client", "98 % of GENESYS_CALLS_PER_MINUTE = 300"),
    "use": Cost(0.6, "use of a core, a process, a bridge", "the rest is for bursts, deploys and a lost pod"),
    "pod_cores": Cost(4, "cores of a worker's pod", ""),
    "pod_table_gb": Cost(4, "GB of a pod's memory for tables", ""),
    "work_seconds": Cost(0.5, "s from download to PUT", "depends on where the files lie"),
    "retention_days": Cost(7, "days of TOPIC_RETENTION_HOURS", "the default"),
    "preview_days": Cost(7, "days of PREVIEW_TTL_SECONDS", "the default"),
    "copies": Cost(3, "copies of each record", "TOPIC_REPLICATION_FACTOR in production"),
}


class Sizes:
    """What `rate` attachments a second take, given what one costs and what was chosen."""

    def __init__(self, rate: float, **given: float) -> None:
        """Take the rate, and values for constants by their names where others are wanted."""
        constants = {name: constant.value for name, constant in {**COSTS, **CHOICES}.items()} | given
        self.rate = rate
        self._of: Callable[[str], float] = constants.__getitem__

    @property
    def fulls(self) -> Mapping[str, float]:
        """Return at how many attachments a second one of each is full."""
        use, pod_gb = self._of("use"), self._of("pod_table_gb")
        return {
            "the tables of one pod, `memory`, all kept for 7 days": pod_gb / (self.table_gb / self.rate),
            "the tables of one pod, `rocksdb`, all kept for 7 days": pod_gb / (self.index_gb / self.rate),
            "one OAuth client": self._of("client_calls") / 60 / self.calls,
            "one worker with `RENDER_CONCURRENCY = 8`": DEFAULT_CONCURRENCY / self._of("work_seconds"),
            "one core": use * 1000 / self.attachment_ms,
            "one worker's process, `process_per_second`": self.process_per_second,
            "one bridge": use * self._of("bridge_per_second"),
        }

    @property
    def process_per_second(self) -> float:
        """Attachments a second of one worker's process, which is Python and has one core at most."""
        return self._of("use") * 1000 / (self._of("worker_ms") + self._of("kafka_ms"))

    @property
    def calls(self) -> float:
        """Calls of Genesys for one attachment."""
        return 1 + 1 / self._of("files")

    @property
    def oauth_clients(self) -> int:
        return math.ceil(self.rate * 60 * self.calls / self._of("client_calls"))

    @property
    def cores(self) -> float:
        """Cores of workers and their children, busy as chosen."""
        return self.rate * self.attachment_ms / 1000 / self._of("use")

    @property
    def pod_per_second(self) -> float:
        """Attachments a second of one pod: its process or its cores, whichever is full first."""
        cores = self._of("use") * 1000 * self._of("pod_cores") / self.attachment_ms
        return min(self.process_per_second, cores)

    @property
    def pods(self) -> int:
        """Pods for the work, two at least."""
        return max(2, math.ceil(self.rate / self.pod_per_second))

    @property
    def render_concurrency(self) -> int:
        """RENDER_CONCURRENCY; its default at least."""
        return max(DEFAULT_CONCURRENCY, math.ceil(self.rate / self.pods * self._of("work_seconds") / self._of("use")))

    @property
    def partitions(self) -> int:
        """Two for each pod at least, rounded up to a power of two, 32 at least."""
        return max(32, 1 << (2 * self.pods - 1).bit_length())

    @property
    def bridges(self) -> int:
        return max(2, math.ceil(self.rate / self._of("use") / self._of("bridge_per_second")))

    @property
    def records_per_second(self) -> float:
        return self.rate * self._of("records")

    @property
    def kafka_mb_per_second(self) -> float:
        """MB a second that brokers write, copies included."""
        return self.rate * self._of("record_bytes") * self._of("copies") / MB

    @property
    def kafka_gb(self) -> float:
        """GB on the brokers' disks, copies included, without changelogs."""
        kept = self._of("retention_days") * SECONDS_PER_DAY * self._of("copies")
        return self.rate * self._of("topic_bytes") * kept / GB

    @property
    def alive(self) -> float:
        """Attachments whose rows are in the tables: a record can come again for 1.25 times its retention."""
        days = max(self._of("preview_days"), 1.25 * self._of("retention_days"))
        return self.rate * days * SECONDS_PER_DAY

    @property
    def rows(self) -> float:
        """Rows of the tables at a time."""
        return self.alive * self._of("rows")

    @property
    def table_gb(self) -> float:
        """GB of memory of all workers for their tables, where rows are in memory."""
        return self.rows * self._of("row_bytes") / GB

    @property
    def index_gb(self) -> float:
        """GB of memory of all workers for their tables, where rows are on disk."""
        return self.alive * DUE_ROWS * self._of("index_bytes") / GB

    @property
    def disk_gb(self) -> float:
        """GB on the disks of all workers, where rows are there."""
        return self.rows * self._of("disk_bytes") / GB

    @property
    def recovery_seconds(self) -> float:
        """Seconds to read all tables back from nothing, each worker its own partitions side by side."""
        return self.rows * self._of("row_us") / 1e6 / self.pods

    @property
    def s3_calls_per_second(self) -> float:
        return self.rate * self._of("s3_calls")

    @property
    def objects(self) -> float:
        """Previews that are stored at a time."""
        return self.rate * self._of("preview_days") * SECONDS_PER_DAY

    @property
    def storage_gb(self) -> float:
        return self.objects * self._of("preview_bytes") / GB

    @property
    def download_mb_per_second(self) -> float:
        return self.rate * self._of("file_bytes") / MB

    @property
    def attachment_ms(self) -> float:
        """CPU ms of an attachment in all processes of a worker."""
        return self._of("render_ms") + self._of("worker_ms") + self._of("kafka_ms")


class Line(NamedTuple):
    """A line of the table of sizes: what it is, the formula, and the value."""

    what: str
    formula: str
    value: Callable[[Sizes], float]


LINES: Final[Sequence[Line]] = (
    Line("OAuth clients", "`rate × 60 × calls ÷ client_calls`", lambda its: its.oauth_clients),
    Line("cores of workers", "`rate × attachment_ms ÷ 1000 ÷ use`", lambda its: its.cores),
    Line("worker pods for the work, 2 at least", "`rate ÷ pod_per_second`", lambda its: its.pods),
    Line("RENDER_CONCURRENCY, 8 at least", "`rate ÷ pods × work_seconds ÷ use`", lambda its: its.render_concurrency),
    Line("partitions of every topic, 32 at least", "`2 × pods`, up to a power of two", lambda its: its.partitions),
    Line("bridges, 2 at least", "`rate ÷ use ÷ bridge_per_second`", lambda its: its.bridges),
    Line("Kafka: records a second", "`rate × records`", lambda its: its.records_per_second),
    Line("Kafka: MB a second, written", "`rate × record_bytes × copies`", lambda its: its.kafka_mb_per_second),
    Line("Kafka: GB on disk", "`rate × topic_bytes × retention × copies`", lambda its: its.kafka_gb),
    Line("tables: million rows", "`rate × rows × max(preview, 1.25 × retention)`", lambda its: its.rows / 1e6),
    Line("tables, `rocksdb`: GB of memory, all workers", "due rows `× index_bytes`", lambda its: its.index_gb),
    Line("tables, `rocksdb`: GB on disks, all workers", "rows `× disk_bytes`", lambda its: its.disk_gb),
    Line("tables, `memory`: GB of memory, all workers", "rows `× row_bytes`", lambda its: its.table_gb),
    Line("tables: s to read back from nothing", "rows `× row_us ÷ pods`", lambda its: its.recovery_seconds),
    Line("S3: requests a second, readers aside", "`rate × s3_calls`", lambda its: its.s3_calls_per_second),
    Line("S3: million objects", "`rate × preview`", lambda its: its.objects / 1e6),
    Line("S3: GB", "objects `× preview_bytes`", lambda its: its.storage_gb),
    Line("downloads: MB a second", "`rate × file_bytes`", lambda its: its.download_mb_per_second),
)
LIVES: Final[Mapping[str, float]] = {"7 days, the defaults": 7, "1 day": 1, "1 hour": 1 / 24}


def number(value: float) -> str:
    """Return a value with three digits that count."""
    if value >= ALL_DIGITS:
        return f"{value:,.0f}"
    digits = 2 - math.floor(math.log10(value))
    return f"{value:.{digits}f}".rstrip("0").rstrip(".")


def constants(some: Mapping[str, Cost]) -> str:
    """Return a table of constants."""
    rows = [[f"`{name}`", number(its.value), its.meaning, its.source] for name, its in some.items()]
    return "\n".join(
        ["| name | value | what | from |", "| --- | ---: | --- | --- |", *(f"| {' | '.join(row)} |" for row in rows)]
    )


def sizes() -> str:
    """Return the table of sizes."""
    every = [Sizes(rate) for rate in RATES]
    rows = [[line.what, *(number(line.value(its)) for its in every), line.formula] for line in LINES]
    return table(["attachments a second", *map(number, RATES), "formula"], rows)


def fulls() -> str:
    """Return the table of what is full when."""
    every = Sizes(1).fulls
    rows = [[what, number(every[what])] for what in sorted(every, key=every.__getitem__)]
    return table(["full", "attachments a second"], rows)


def lives() -> str:
    """Return the table of the tables by how long previews and records are kept."""
    rows = []
    for name, days in LIVES.items():
        every = [Sizes(rate, preview_days=days, retention_days=days) for rate in RATES]
        rows.append([name, *(f"{number(its.index_gb)} GB, {number(its.table_gb)} GB" for its in every)])
    return table(["previews and records kept for", *(f"{number(rate)} a second" for rate in RATES)], rows)


def written(page: str) -> str:
    """Return the page with its tables as they follow from the constants."""
    its = state.example(settings_of(), row_bytes=COSTS["row_bytes"].value, row_us=COSTS["row_us"].value)
    for name, text in (
        ("costs", constants(COSTS)),
        ("choices", constants(CHOICES)),
        ("fulls", fulls()),
        ("sizes", sizes()),
        ("lives", lives()),
        ("kinds", state.kinds()),
        ("state", state.worked(its, number)),
    ):
        page = with_section(page, name, text)
    return page


def main(page: Path = PAGE) -> int:
    page.write_text(written(page.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
