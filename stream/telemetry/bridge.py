"""Metrics of the bridge: webhooks in, records out."""

from stream.telemetry.families import PRODUCE_BUCKETS, Families


class BridgeMetrics(Families):
    """What the bridge tells."""

    def declare_bridge(self) -> None:
        """Declare its metrics."""
        self.bridge_requests = self.counter(
            "bridge_requests",
            "HTTP requests answered, by status code and source (none for probes and unknown paths)",
            "status",
            "source",
        )
        self.bridge_request_seconds = self.histogram(
            "bridge_request_seconds",
            "Time from a webhook's head to its answer, by source; probes and unknown paths are not counted",
            "source",
            buckets=PRODUCE_BUCKETS,
        )
        self.bridge_received_bytes = self.counter(
            "bridge_received_bytes", "Bytes of the bodies of webhooks that were read whole, by source", "source"
        )
        self.bridge_ready = self.gauge(
            "bridge_ready", "1 while /readyz of a bridge says that webhooks can be taken, else 0"
        )
        self.bridge_records = self.counter("bridge_records", "Records that Kafka acknowledged")
        self.bridge_produce_seconds = self.histogram(
            "bridge_produce_seconds", "Time from produce to Kafka's acknowledgement", buckets=PRODUCE_BUCKETS
        )
        self.bridge_queue_records = self.gauge("bridge_queue_records", "Records that wait for Kafka")
        self.bridge_spool_records = self.gauge("bridge_spool_records", "Records that the spool holds")
        self.bridge_spool_bytes = self.gauge("bridge_spool_bytes", "Bytes of the records that the spool holds")
        self.bridge_spool_oldest_seconds = self.gauge(
            "bridge_spool_oldest_seconds", "How long the spool's oldest record has been held, 0 without one"
        )
