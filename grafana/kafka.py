"""The sections of the workers' dashboard about partitions and their tables."""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.models import units

from grafana.panels import lines, quantiles, section

FEW: Final = 10
RARE: Final = "1h"
OF_A_TOPIC: Final = '{*,topic=~"$topic"}'


def partitions(made: Dashboard) -> None:
    """Add what waits in partitions and who owns them."""
    section(
        made,
        "Partitions",
        lines(
            "Unfinished records",
            "Records that wait or are worked on, by topic.",
            units.Short,
            (f"sum by (topic) (previews_consumer_lag_records{OF_A_TOPIC})", "{{topic}}"),
            alerts=["FallingBehind"],
            span=8,
        ),
        lines(
            "Oldest unfinished record",
            f"The {FEW} partitions whose oldest record has waited longest.",
            units.Seconds,
            (
                f"topk({FEW}, max by (topic, partition) (previews_consumer_oldest_record_seconds{OF_A_TOPIC}))",
                "{{topic}} {{partition}}",
            ),
            alerts=["OldRecords"],
            span=8,
        ),
        lines(
            "Without progress",
            "How long a partition has had unfinished records and finished none, though nothing held its lane. "
            "This is what liveness looks at.",
            units.Seconds,
            (
                f"topk({FEW}, max by (topic, partition) (previews_consumer_stalled_seconds{OF_A_TOPIC}))",
                "{{topic}} {{partition}}",
            ),
            alerts=["NoProgress"],
            span=8,
        ),
        lines(
            "Partitions owned",
            "By topic and worker. A worker without partitions is one too many.",
            units.Short,
            (f"sum by (topic, instance) (previews_consumer_assigned_partitions{OF_A_TOPIC})", "{{topic}} {{instance}}"),
            alerts=["PartitionsUnowned"],
            stacked=True,
            span=8,
        ),
        lines(
            "Partitions paused",
            "Not fetched now, because their lane has no room.",
            units.Short,
            (f"sum by (topic) (previews_consumer_paused_partitions{OF_A_TOPIC})", "{{topic}}"),
            span=8,
        ),
        lines(
            "Backpressure",
            "Part of the time in which partitions were paused, all workers together.",
            units.PercentUnit,
            (
                f"avg by (topic) (rate(previews_consumer_backpressure_seconds_total{OF_A_TOPIC}[$__rate_interval]))",
                "{{topic}}",
            ),
            span=8,
        ),
    )


def rebalances(made: Dashboard) -> None:
    """Add what a change of owners costs."""
    section(
        made,
        "Rebalances and tables",
        lines(
            "Rebalances",
            "How many each worker went through; the one at its start among them.",
            units.Short,
            ("sum by (instance) (increase(previews_consumer_rebalances_total{*}[$__rate_interval]))", "{{instance}}"),
            alerts=["RebalancesOften"],
            span=8,
        ),
        lines(
            "Time of a rebalance",
            "From the loss of partitions to work on the new ones, rows read back; those of the last hour.",
            units.Seconds,
            *quantiles("previews_consumer_rebalance_seconds", window=RARE),
            alerts=["RebalancesOften"],
            span=8,
        ),
        lines(
            "Time to read rows back",
            "In the last hour, and which workers do so now (1).",
            units.Seconds,
            *quantiles("previews_table_recovery_seconds", window=RARE),
            ("max by (instance) (previews_table_recovering{*})", "now: {{instance}}"),
            alerts=["TablesRecoverLong"],
            span=8,
        ),
        lines(
            "Rows",
            "In the partitions of all workers, by table.",
            units.Short,
            ("sum by (table) (previews_table_rows{*})", "{{table}}"),
            span=8,
        ),
        lines(
            "Changelog records",
            "What would be read to have the rows back from nothing; far above the rows when compaction does not run.",
            units.Short,
            ("sum by (table) (previews_table_changelog_records{*})", "{{table}}"),
            alerts=["TablesRecoverLong"],
            span=8,
        ),
        lines(
            "Changelog records skipped",
            "That were no rows of ours.",
            units.Short,
            ("sum by (table) (increase(previews_rows_skipped_total{*}[$__rate_interval]))", "{{table}}"),
            alerts=["RowsSkipped"],
            span=8,
        ),
    )
