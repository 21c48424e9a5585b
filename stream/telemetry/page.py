"""docs/metrics.md: every metric with its labels and meaning, generated from the declarations.

`python -m stream.telemetry.page` writes it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from stream.arrival import EventSource
from stream.telemetry.bridge import BridgeMetrics
from stream.telemetry.consumer import ConsumerMetrics
from stream.telemetry.families import Families
from stream.telemetry.genesys import GenesysMetrics
from stream.telemetry.known import begin_bridge, begin_worker
from stream.telemetry.lanes import LaneMetrics
from stream.telemetry.metrics import Metrics
from stream.telemetry.work import WorkMetrics
from stream.topics import TABLES

PATH: Final = Path("docs/metrics.md")
TITLES: Final[dict[type[Families], str]] = {
    BridgeMetrics: "Bridge",
    ConsumerMetrics: "Worker: partitions and tables",
    LaneMetrics: "Worker: lanes",
    WorkMetrics: "Worker: attachments, rendering children, storage",
    GenesysMetrics: "Worker: Genesys",
}
SUFFIXES: Final = {"counter": "_total"}
HEAD: Final = """# Metrics

Generated from `stream/telemetry/` by `make schemas`; a test fails when it is out of date. Both processes serve all of
them at `/metrics`, beside `previews_build_info` and the `process_*` of prometheus_client; those of the other process
stay at 0 or have no series. What health probes and traces tell: [telemetry.md](telemetry.md).

"From the start" is the number of series that a fresh process shows before its first event. Where it says
*with its subject*, a series begins with the partition, lane, service, OAuth client or layer that it is of, seconds
after the start. Values that were not foreseen (an HTTP status, a reason at another stage) begin with their first event.
"""


class Told(NamedTuple):
    """One metric as it is documented."""

    name: str
    kind: str
    labels: str
    from_the_start: str
    meaning: str


def page() -> str:
    """Return the page."""
    metrics = Metrics(CollectorRegistry())
    begin_bridge(metrics, EventSource)
    begin_worker(metrics, ["attachments", "previews", "lifecycle"], TABLES)
    return "\n".join([HEAD, *(line for kind in TITLES for line in _section(kind, metrics))])


def write(root: Path) -> None:
    """Write the page below `root`."""
    (root / PATH).write_text(page(), encoding="utf-8")


def _section(kind: type[Families], metrics: Metrics) -> Iterator[str]:
    yield f"## {TITLES[kind]}\n"
    yield "| metric | kind | labels | from the start | meaning |\n| --- | --- | --- | --- | --- |"
    for told in _told(kind, metrics):
        yield f"| `{told.name}` | {told.kind} | {told.labels} | {told.from_the_start} | {told.meaning} |"
    yield ""


def _told(kind: type[Families], metrics: Metrics) -> Iterator[Told]:
    for name in _declared_by(kind):
        metric: MetricWrapperBase = getattr(metrics, name)
        (family,) = metric.describe()
        labels = ", ".join(f"`{label}`" for label in metric._labelnames)  # noqa: SLF001 - nothing public tells them
        begun = len(metric._metrics) if labels else 1  # noqa: SLF001 - likewise
        type_ = "states" if family.type == "stateset" else family.type
        suffix = SUFFIXES.get(family.type, "")
        yield Told(f"{family.name}{suffix}", type_, labels, str(begun or "with its subject"), family.documentation)


def _declared_by(kind: type[Families]) -> list[str]:
    """Return the names of the metrics that a class declares, in its order."""
    declared = kind(CollectorRegistry())
    for declare in [name for name in vars(kind) if name.startswith("declare_")]:
        getattr(declared, declare)()
    return [name for name, value in vars(declared).items() if isinstance(value, MetricWrapperBase)]


if __name__ == "__main__":
    write(Path())
