"""All metrics of bridge and worker in one registry, and how they are shown."""

from importlib.metadata import PackageNotFoundError, version
from typing import Final

from prometheus_client import CollectorRegistry, Info, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from stream.telemetry.bridge import BridgeMetrics
from stream.telemetry.consumer import ConsumerMetrics
from stream.telemetry.families import NAMESPACE
from stream.telemetry.genesys import GenesysMetrics
from stream.telemetry.lanes import LaneMetrics
from stream.telemetry.work import WorkMetrics

__all__ = ["CONTENT_TYPE_LATEST", "Metrics", "exposition"]

DISTRIBUTION: Final = "attachment-preview-stream"


class Metrics(BridgeMetrics, ConsumerMetrics, LaneMetrics, WorkMetrics, GenesysMetrics):
    """Every metric of bridge and worker; the help text of each states its meaning."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry)
        ProcessCollector(registry=registry)
        build = Info("build", "Version that runs", namespace=NAMESPACE, registry=registry)
        build.info({"version": product_version()})
        self.declare_bridge()
        self.declare_consumer()
        self.declare_tables()
        self.declare_lanes()
        self.declare_outcomes()
        self.declare_rendering()
        self.declare_storage()
        self.declare_genesys()
        self.declare_posts()


def exposition(registry: CollectorRegistry) -> bytes:
    """Render /metrics, to be served as `CONTENT_TYPE_LATEST`."""
    return generate_latest(registry)


def product_version() -> str:
    """Return the installed version, or `checkout` when the code runs from a source tree."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "checkout"
