"""The dashboard of the workers: what Kafka gives them, lanes, rendering, storage."""

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.models import units

from grafana.frame import choice, framed
from grafana.kafka import partitions, rebalances
from grafana.panels import lines, quantiles, section


def dashboard() -> Dashboard:
    """Return the dashboard of worker and Kafka."""
    made = framed(
        "previews-worker",
        "Partitions, rebalances, tables, lanes, rendering and storage.",
        job="worker",
    )
    topics = 'label_values(previews_consumer_lag_records{namespace=~"$namespace",job=~"$job"}, topic)'
    made.with_variable(choice("topic", "Topic", topics))
    partitions(made)
    rebalances(made)
    _lanes(made)
    _rendering(made)
    _due(made)
    _storage(made)
    return made


def _lanes(made: Dashboard) -> None:
    section(
        made,
        "Lanes",
        lines(
            "Jobs in flight",
            "Against RENDER_CONCURRENCY and LINK_CONCURRENCY a worker.",
            units.Short,
            ("sum by (lane) (previews_lane_in_flight{*})", "{{lane}}"),
            span=6,
        ),
        lines(
            "Records taken",
            "Not acknowledged yet, and the widest window of one partition: what a crash would deliver again.",
            units.Short,
            ("sum by (lane) (previews_lane_open{*})", "{{lane}} open"),
            ("max by (lane) (previews_lane_window_records{*})", "{{lane}} window"),
            span=6,
        ),
        lines(
            "Oldest record taken",
            "How long the oldest unfinished record has been in its lane.",
            units.Seconds,
            ("max by (lane) (previews_lane_oldest_seconds{*})", "{{lane}}"),
            alerts=["NoProgress"],
            span=6,
        ),
        lines(
            "Lanes held",
            "Workers whose lane may start no job, and how often lanes were told to wait, by reason.",
            units.Short,
            ("sum by (lane) (previews_lane_held{*})", "{{lane}}"),
            ("sum by (reason) (increase(previews_holds_total{*}[$__rate_interval])) > 0", "{{reason}}"),
            alerts=["LaneHeld"],
            span=6,
        ),
    )


def _rendering(made: Dashboard) -> None:
    section(
        made,
        "Rendering",
        lines(
            "Rendering children",
            "That live, and that work on a file; when both agree for long, more workers help.",
            units.Short,
            ("sum(previews_render_children{*})", "live"),
            ("sum(previews_render_children_busy{*})", "busy"),
            span=8,
        ),
        lines(
            "Children started and lost",
            "Lost means ended for a file's sake, by cause.",
            units.Short,
            ("sum(increase(previews_render_children_started_total{*}[$__rate_interval]))", "started"),
            ("sum by (cause) (increase(previews_render_children_lost_total{*}[$__rate_interval]))", "lost: {{cause}}"),
            alerts=["RenderChildrenLost"],
            span=8,
        ),
        lines(
            "Layers of the confinement",
            "1 where a layer confines the children, in all workers.",
            units.Short,
            ("min by (layer) (previews_confinement_layer{*})", "{{layer}}"),
            alerts=["ConfinementMissing"],
            span=8,
        ),
        lines(
            "Stages",
            "95th percentile of the time that a stage took.",
            units.Seconds,
            *quantiles("previews_stage_seconds", "stage"),
            span=8,
        ),
        lines(
            "Bytes",
            "Files downloaded and previews stored.",
            units.BytesPerSecondIEC,
            ("sum(rate(previews_downloaded_bytes_total{*}[$__rate_interval]))", "downloaded"),
            ("sum(rate(previews_stored_bytes_total{*}[$__rate_interval]))", "stored"),
            span=8,
        ),
        lines(
            "The guard",
            "Part of the conversations that fail for reasons of ours; at GUARD_SHARE a worker stops itself.",
            units.PercentUnit,
            ("max by (instance) (previews_guard_share_ratio{*})", "{{instance}}"),
            alerts=["GuardNearItsLimit"],
            span=8,
        ),
    )


def _due(made: Dashboard) -> None:
    section(
        made,
        "Retries and expiry",
        lines(
            "Retries",
            "Attempts put off to a later time by reason and stage, and steps repeated at once.",
            units.Short,
            (
                "sum by (reason, stage) (increase(previews_retries_total{*}[$__rate_interval])) > 0",
                "{{stage}}: {{reason}}",
            ),
            (
                "sum by (reason) (increase(previews_repeats_in_place_total{*}[$__rate_interval])) > 0",
                "at once: {{reason}}",
            ),
            span=8,
        ),
        lines(
            "Due rows",
            "Delayed retries and expiries that wait for their time.",
            units.Short,
            ("sum(previews_due_rows{*})", "rows"),
            span=8,
        ),
        lines(
            "Late due rows",
            "By how much the oldest one is late.",
            units.Seconds,
            ("max by (instance) (previews_due_oldest_seconds{*})", "{{instance}}"),
            alerts=["DueBacklog"],
            span=8,
        ),
        lines(
            "Due rows fired, previews deleted",
            "A second.",
            units.Short,
            ("sum by (topic) (rate(previews_due_fired_total{*}[$__rate_interval]))", "to {{topic}}"),
            ("sum(rate(previews_expired_total{*}[$__rate_interval]))", "expired"),
            ("sum(rate(previews_erased_total{*}[$__rate_interval]))", "erased"),
            alerts=["DueBacklog"],
            span=12,
        ),
        lines(
            "Orders about conversations",
            "Erase, hold and release, by how they were answered.",
            units.Short,
            (
                "sum by (command, state) (increase(previews_orders_total{*}[$__rate_interval])) > 0",
                "{{command}}: {{state}}",
            ),
            span=12,
        ),
    )


def _storage(made: Dashboard) -> None:
    section(
        made,
        "Storage",
        lines(
            "Calls a second",
            "By call and status: ok, or the reason of the failure.",
            units.Short,
            (
                "sum by (call, status) (rate(previews_storage_calls_total{*}[$__rate_interval])) > 0",
                "{{call}} {{status}}",
            ),
            alerts=["StorageFails"],
            span=12,
        ),
        lines(
            "Time of a call",
            "95th percentile, by call.",
            units.Seconds,
            *quantiles("previews_storage_call_seconds", "call"),
            alerts=["StorageFails"],
            span=12,
        ),
    )
