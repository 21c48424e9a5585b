"""The dashboard of the bridge: webhooks, their answers, Kafka's acknowledgements, the spool."""

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.models import units

from grafana.frame import framed
from grafana.panels import lines, quantiles, section


def dashboard() -> Dashboard:
    """Return the dashboard of the bridge."""
    made = framed("previews-bridge", "Webhooks, their answers, and the way into Kafka.", job="bridge")
    _webhooks(made)
    _kafka(made)
    _spool(made)
    return made


def _webhooks(made: Dashboard) -> None:
    section(
        made,
        "Webhooks",
        lines(
            "Answers a second",
            "By status: 202 is accepted, 4xx the sender's fault, 503 Kafka's absence. Probes are left out.",
            units.Short,
            (
                'sum by (status) (rate(previews_bridge_requests_total{*,source!="none"}[$__rate_interval]))',
                "{{status}}",
            ),
            alerts=["BridgeRefuses", "SenderRefused"],
            stacked=True,
            span=12,
        ),
        lines(
            "Webhooks a second by source",
            "Which paths are used; docs/webhook.md lists them.",
            units.Short,
            (
                'sum by (source) (rate(previews_bridge_requests_total{*,source!="none"}[$__rate_interval]))',
                "{{source}}",
            ),
            alerts=["SenderRefused"],
            span=12,
        ),
        lines(
            "Time to answer",
            "95th percentile from a webhook's head to its answer, by source.",
            units.Seconds,
            *quantiles("previews_bridge_request_seconds", "source"),
            alerts=["KafkaSlow"],
            span=12,
        ),
        lines(
            "Received",
            "Bytes of bodies read, by source.",
            units.BytesPerSecondIEC,
            ("sum by (source) (rate(previews_bridge_received_bytes_total{*}[$__rate_interval]))", "{{source}}"),
            span=12,
        ),
    )


def _kafka(made: Dashboard) -> None:
    section(
        made,
        "Kafka",
        lines(
            "Records acknowledged a second",
            "By every replica in sync, before the webhook is answered 202.",
            units.Short,
            ("sum by (instance) (rate(previews_bridge_records_total{*}[$__rate_interval]))", "{{instance}}"),
            span=8,
        ),
        lines(
            "Time to Kafka's acknowledgement",
            "From produce to the acknowledgement.",
            units.Seconds,
            *quantiles("previews_bridge_produce_seconds"),
            alerts=["KafkaSlow"],
            span=8,
        ),
        lines(
            "Records that wait for Kafka",
            "In the producer's queue; it is bounded, and when it is full webhooks are answered 503.",
            units.Short,
            ("sum by (instance) (previews_bridge_queue_records{*})", "{{instance}}"),
            alerts=["BridgeRefuses"],
            span=8,
        ),
        lines(
            "Bridges that are ready",
            "Load balancers send webhooks to these alone; 0 without Kafka, unless there is a spool.",
            units.Short,
            ("sum(previews_bridge_ready{*})", "ready"),
            alerts=["NoBridgeReady"],
            span=24,
        ),
    )


def _spool(made: Dashboard) -> None:
    section(
        made,
        "Spool",
        lines(
            "Events in the spool",
            "On disk because Kafka is away; 0 for good without BRIDGE_SPOOL_DIR.",
            units.Short,
            ("sum by (instance) (previews_bridge_spool_records{*})", "{{instance}}"),
            alerts=["SpoolHolds"],
            span=8,
        ),
        lines(
            "Bytes in the spool",
            "BRIDGE_SPOOL_MAX_BYTES is the end of it.",
            units.BytesIEC,
            ("sum by (instance) (previews_bridge_spool_bytes{*})", "{{instance}}"),
            alerts=["SpoolHolds"],
            span=8,
        ),
        lines(
            "Oldest event in the spool",
            "How long it has waited.",
            units.Seconds,
            ("max by (instance) (previews_bridge_spool_oldest_seconds{*})", "{{instance}}"),
            alerts=["SpoolHolds"],
            span=8,
        ),
    )
