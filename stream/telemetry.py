"""What the processes tell of themselves: metrics, log lines and health.

Metrics are declared here alone, in base units. Ids of conversations, events and messages go into log fields and
never into labels: a label's values must be few and known beforehand.
"""

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Enum, Gauge, Histogram, Info, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from stream.health import Health
from stream.logs import configure_logging

__all__ = ["CONTENT_TYPE_LATEST", "Health", "Metrics", "configure_logging", "exposition"]

DISTRIBUTION: Final = "attachment-preview-stream"
NAMESPACE: Final = "previews"
PRODUCE_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
STAGE_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 60)
END_TO_END_BUCKETS: Final = (0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 43200, 172800)
BREAKER_STATES: Final = ("closed", "half_open", "open")


class Metrics:
    """Every metric of bridge and worker; the help text of each states its meaning."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        ProcessCollector(registry=registry)
        build = Info("build", "Version that runs", namespace=NAMESPACE, registry=registry)
        build.info({"version": product_version()})
        self._declare_bridge()
        self._declare_outcomes()
        self._declare_lanes()
        self._declare_genesys()
        self._declare_rendering()

    def _declare_bridge(self) -> None:
        self.bridge_requests = self._counter(
            "bridge_requests",
            "HTTP requests answered, by status code and source (none for probes and unknown paths)",
            "status",
            "source",
        )
        self.bridge_records = self._counter("bridge_records", "Records that Kafka acknowledged")
        self.bridge_produce_seconds = self._histogram(
            "bridge_produce_seconds", "Time from produce to Kafka's acknowledgement", buckets=PRODUCE_BUCKETS
        )
        self.bridge_queue_records = self._gauge("bridge_queue_records", "Records that wait for Kafka")
        self.bridge_spool_records = self._gauge("bridge_spool_records", "Records that the spool holds")
        self.bridge_spool_bytes = self._gauge("bridge_spool_bytes", "Bytes of the records that the spool holds")
        self.bridge_spool_oldest_seconds = self._gauge(
            "bridge_spool_oldest_seconds", "How long the spool's oldest record has been held, 0 without one"
        )

    def _declare_outcomes(self) -> None:
        self.outcomes = self._counter("outcomes", "Events ended, by outcome and verdict", "outcome", "verdict")
        self.dead_letters = self._counter(
            "dead_letters", "Records given up as ours to mend, by reason and stage", "reason", "stage"
        )
        self.retries = self._counter(
            "retries", "Attempts put off to a later time, by reason and stage", "reason", "stage"
        )
        self.repeats = self._counter(
            "repeats_in_place", "Steps that failed and were repeated at once, by reason", "reason"
        )
        self.guard_share = self._gauge(
            "guard_share_ratio",
            "Part of the conversations in the guard's window that failed for reasons of ours, 0 to 1; 0 while few did",
        )
        self.posts_ambiguous = self._counter(
            "post_ambiguous",
            "Posts of which it is not known whether they were made, by kind: timeout, dropped, server_error, "
            "without_id, interrupted (a process ended before it knew), late (written after its own deadline)",
            "kind",
        )
        self.duplicates = self._counter(
            "post_duplicate_suppressed", "Deliveries found to have been posted already, so that nothing was said twice"
        )
        self.late_posts = self._counter("late_posts", "Posts that were sent after their own deadline")
        self.previews_expired = self._counter("expired", "Previews deleted because their time had come")
        self.stage_seconds = self._histogram(
            "stage_seconds", "Time that a stage took, by stage", "stage", buckets=STAGE_BUCKETS
        )
        self.end_to_end_seconds = self._histogram(
            "end_to_end_seconds", "Time from the webhook to the posted link", buckets=END_TO_END_BUCKETS
        )

    def _declare_lanes(self) -> None:
        self.lane_in_flight = self._gauge("lane_in_flight", "Jobs that run, by lane", "lane")
        self.lane_open = self._gauge("lane_open", "Records taken and not acknowledged yet, by lane", "lane")
        self.lane_window = self._gauge(
            "lane_window_records", "Most records of one partition that a crash would deliver again, by lane", "lane"
        )
        self.lane_oldest = self._gauge(
            "lane_oldest_seconds", "Time that the oldest unfinished record has been taken for, by lane", "lane"
        )
        self.lane_held = self._gauge("lane_held", "1 while no job of the lane may start, else 0, by lane", "lane")
        self.holds = self._counter("holds", "Times that a lane was told to wait, by reason", "reason")
        self.consumer_lag = self._gauge(
            "consumer_lag_records", "Records not yet finished of this worker's partitions, by topic", "topic"
        )
        self.due_rows = self._gauge("due_rows", "Rows of the due table: delayed retries and expiries")
        self.rows_skipped = self._counter(
            "rows_skipped", "Changelog records that could not be decoded and were skipped, by table", "table"
        )

    def _declare_genesys(self) -> None:
        self.genesys_calls = self._counter(
            "genesys_calls",
            "Calls of the Genesys API, by call and status (an HTTP code, timeout or dropped)",
            "call",
            "status",
        )
        self.genesys_call_seconds = self._histogram(
            "genesys_call_seconds", "Time that a call of the Genesys API took, by call", "call", buckets=STAGE_BUCKETS
        )
        self.rate_share_tokens = self._gauge(
            "rate_share_tokens",
            "Genesys calls that may be made at once, by OAuth client (its place in GENESYS_CLIENT_ID, from 0)",
            "client",
        )
        self.client_refused = self._gauge(
            "genesys_client_refused", "1 while Genesys refuses this OAuth client, else 0; by client as above", "client"
        )
        self.rate_share_fraction = self._gauge("rate_share_ratio", "This worker's part of the Genesys budget, 0 to 1")
        self.breaker_state = Enum(
            "breaker_state",
            "State of the circuit breaker before a service, by service (genesys or storage)",
            ["service"],
            namespace=NAMESPACE,
            registry=self.registry,
            states=BREAKER_STATES,
        )

    def _declare_rendering(self) -> None:
        self.render_children_lost = self._counter(
            "render_children_lost", "Rendering children that ended before their answer, by cause", "cause"
        )
        self.confinement_layer = self._gauge(
            "confinement_layer", "1 while a layer confines the rendering children, 0 where it is missing", "layer"
        )
        self.downloaded_bytes = self._counter("downloaded_bytes", "Bytes of files downloaded")
        self.stored_bytes = self._counter("stored_bytes", "Bytes of previews stored")

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(name, meaning, labels, namespace=NAMESPACE, registry=self.registry)

    def _gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        return Gauge(name, meaning, labels, namespace=NAMESPACE, registry=self.registry)

    def _histogram(self, name: str, meaning: str, *labels: str, buckets: Sequence[float]) -> Histogram:
        return Histogram(name, meaning, labels, namespace=NAMESPACE, registry=self.registry, buckets=buckets)


def exposition(registry: CollectorRegistry) -> bytes:
    """Render /metrics, to be served as `CONTENT_TYPE_LATEST`."""
    return generate_latest(registry)


def product_version() -> str:
    """Return the installed version, or `checkout` when the code runs from a source tree."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "checkout"
