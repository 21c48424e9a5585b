"""How a metric is declared: a name without prefix and suffix, what it means, its labels."""

from collections.abc import Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Enum, Gauge, Histogram

NAMESPACE: Final = "previews"
PRODUCE_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
STAGE_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 60)
REBALANCE_BUCKETS: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800)


class Families:
    """Declares metrics in one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry

    def counter(self, name: str, meaning: str, *labels: str) -> Counter:
        """Declare what only grows; `_total` is put behind the name."""
        return Counter(name, meaning, labels, namespace=NAMESPACE, registry=self.registry)

    def gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        """Declare what rises and falls."""
        return Gauge(name, meaning, labels, namespace=NAMESPACE, registry=self.registry)

    def histogram(self, name: str, meaning: str, *labels: str, buckets: Sequence[float]) -> Histogram:
        """Declare how times are spread."""
        return Histogram(name, meaning, labels, namespace=NAMESPACE, registry=self.registry, buckets=buckets)

    def states(self, name: str, meaning: str, *labels: str, states: Sequence[str]) -> Enum:
        """Declare which of a few states something is in."""
        return Enum(name, meaning, labels, namespace=NAMESPACE, registry=self.registry, states=states)
