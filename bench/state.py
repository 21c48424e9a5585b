"""How large the tables grow: the rows of each kind, how long they live, and what an example comes to.

Part of docs/capacity.md, which python -m bench.capacity writes; tests/bench/test_state.py holds the bytes to the rows
that the worker writes. MB and GB are powers of ten.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from agents.settings import WorkerSettings
from bench.pages import table
from stream.topics import CHANGELOG_SEGMENT_BYTES, CHANGELOG_TOMBSTONE_SECONDS, LATEST_DELETION

SECONDS_PER_DAY: Final = 86_400
GB: Final = 1e9
DIRTY: Final = 0.5
"""Kafka's min.cleanable.dirty.ratio: a changelog is compacted once so much of it is new."""


class Kind(NamedTuple):
    """Rows of one kind; `row_bytes` of key and value, `writes` the changelog records from first to tombstone."""

    table: str
    key: str
    one_for: str
    until: str
    row_bytes: int
    writes: int


EXPIRE: Final = Kind(
    "`due`",
    "`expire/…`",
    "a preview, and each further size of it",
    "`PREVIEW_TTL_SECONDS`, and until the object is deleted and that is told",
    613,
    2,
)
FORGET: Final = Kind(
    "`due`",
    "`forget/…`",
    "an event whose post has begun",
    "the longer of `PREVIEW_TTL_SECONDS` and 1.25 retentions",
    360,
    2,
)
LINK: Final = Kind("`links`", "event id", "the same event", "the same", 213, 3)
LAPSE: Final = Kind(
    "`due`", "`lapse/…`", "an erasure", "the same, and 1.25 × `DEAD_LETTER_RETENTION_HOURS` more", 298, 2
)
CONVERSATION: Final = Kind(
    "`conversations`", "conversation id", "an erasure, or a hold", "the same; a hold from its release on", 258, 2
)
KINDS: Final = (EXPIRE, FORGET, LINK, LAPSE, CONVERSATION)
OF_A_PREVIEW: Final = (EXPIRE, FORGET, LINK)
KEY_BYTES: Final = 72
"""Of a row of them, on average: what a tombstone keeps."""


class Example(NamedTuple):
    """A deployment; `row_bytes` of a row in memory and `row_us` to read it back are those of bench/capacity.py."""

    rate: float
    preview_days: float
    retention_days: float
    erasures_a_day: float
    dead_letter_days: float
    partitions: int
    row_bytes: float
    row_us: float

    @property
    def event_days(self) -> float:
        """How long what is known of an event is kept."""
        return max(self.preview_days, LATEST_DELETION * self.retention_days)

    @property
    def erased_days(self) -> float:
        """How long an erasure is remembered."""
        return self.event_days + LATEST_DELETION * self.dead_letter_days

    def rows_of(self, kind: Kind) -> float:
        """Return how many rows of a kind there are once as many end as begin."""
        if kind in OF_A_PREVIEW:
            days = self.preview_days if kind is EXPIRE else self.event_days
            return self.rate * SECONDS_PER_DAY * days
        return self.erasures_a_day * self.erased_days

    @property
    def rows(self) -> float:
        return sum(map(self.rows_of, KINDS))

    @property
    def alive_gb(self) -> float:
        """GB of keys and values, on disk before RocksDB compresses them and once in the changelogs."""
        return sum(self.rows_of(kind) * kind.row_bytes for kind in KINDS) / GB

    @property
    def appended_gb_a_day(self) -> float:
        """GB a day that the changelogs take in, tombstones as if they were rows."""
        return sum(self.rate * kind.row_bytes * kind.writes for kind in OF_A_PREVIEW) * SECONDS_PER_DAY / GB

    @property
    def changelog_gb(self) -> float:
        """GB of all changelogs at most: alive, as much again that is not compacted yet, and what is never compacted.

        That are the open segment of each partition, and the tombstones of a day at least, keys alone.
        """
        open_gb = self.partitions * 2 * CHANGELOG_SEGMENT_BYTES / GB  # [due] and [links]; the third is small
        tombstones = self.rate * len(OF_A_PREVIEW) * CHANGELOG_TOMBSTONE_SECONDS
        return self.alive_gb / DIRTY + open_gb + tombstones * KEY_BYTES / GB

    @property
    def memory_gb(self) -> float:
        """GB of memory of all workers, with rows in memory."""
        return self.rows * self.row_bytes / GB

    @property
    def recovery_seconds(self) -> float:
        """Seconds in which one worker reads all of it back from nothing, compacted."""
        return self.rows * self.row_us / 1e6


class Line(NamedTuple):
    """A line of the example."""

    what: str
    formula: str
    value: Callable[[Example], float]


LINES: Final[Sequence[Line]] = (
    Line("rows `expire/…`", "`rate × 86,400 × preview`", lambda its: its.rows_of(EXPIRE)),
    Line("rows `forget/…`, and as many of `links`", "`rate × 86,400 × event`", lambda its: its.rows_of(FORGET)),
    Line("rows `lapse/…`, and as many of `conversations`", "`erasures × erased`", lambda its: its.rows_of(LAPSE)),
    Line("rows in all", "", lambda its: its.rows),
    Line("GB of keys and values", "rows `×` bytes of each kind", lambda its: its.alive_gb),
    Line("GB of memory with `memory`, all workers", "rows `× row_bytes`", lambda its: its.memory_gb),
    Line(
        "GB a day written to the changelogs, one copy",
        "rows a day `× bytes × writes`",
        lambda its: its.appended_gb_a_day,
    ),
    Line(
        "GB of the changelogs at most, one copy",
        "`2 ×` alive `+` open segments `+` a day's tombstones",
        lambda its: its.changelog_gb,
    ),
    Line("s to read back from nothing, one worker, compacted", "rows `× row_us`", lambda its: its.recovery_seconds),
    Line("s before the changelogs are compacted, at most", "twice that", lambda its: its.recovery_seconds / DIRTY),
)


def kinds() -> str:
    """Return the table of the kinds of rows."""
    head = ["| table | key | one for | lives | bytes | writes |", "| --- | --- | --- | --- | ---: | ---: |"]
    rows = ([its.table, its.key, its.one_for, its.until, str(its.row_bytes), str(its.writes)] for its in KINDS)
    return "\n".join([*head, *(f"| {' | '.join(row)} |" for row in rows)])


def worked(its: Example, number: Callable[[float], str]) -> str:
    """Return what an example comes to, as a table."""
    rows = [[line.what, number(line.value(its)), line.formula] for line in LINES]
    chosen = (
        f"{its.rate:g} previews a second, kept for {its.preview_days:g} day, records for {its.retention_days:g} days, "
        f"dead letters for {its.dead_letter_days:g}; {its.erasures_a_day:g} erasures a day; {its.partitions} partitions"
    )
    return table([chosen, "", "formula"], rows)


def example(settings: WorkerSettings, *, row_bytes: float, row_us: float) -> Example:
    """Return the worked example: what is not said is the default."""
    return Example(
        rate=5,
        preview_days=1,
        retention_days=7,
        erasures_a_day=100,
        dead_letter_days=settings.dead_letter_retention_hours / 24,
        partitions=settings.topic_partitions,
        row_bytes=row_bytes,
        row_us=row_us,
    )
