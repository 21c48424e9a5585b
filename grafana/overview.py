"""The dashboard to look at first: is the objective met, what comes in, what becomes of it, where does it wait."""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.models import units

from grafana.frame import framed
from grafana.panels import lines, number, quantiles, section

OLD_SECONDS: Final = 600
BURN_RATES: Final = ("1h", "6h", "1d", "3d")


def dashboard() -> Dashboard:
    """Return the overview of the pipeline."""
    made = framed("previews-overview", "From webhook to link: the objective, the flow, and where it waits.")
    _numbers(made)
    _flow(made)
    _waiting(made)
    _processes(made)
    return made


def _numbers(made: Dashboard) -> None:
    in_time = (
        'sum(rate(previews_end_to_end_seconds_bucket{*,le="60.0"}[$__range]))'
        " / sum(rate(previews_end_to_end_seconds_count{*}[$__range]))"
    )
    section(
        made,
        "At a glance",
        number(
            "Links in time",
            "Part of the links that were in the conversation 60 s after their webhook; the objective is 99 %.",
            units.PercentUnit,
            in_time,
            bad_from=0.99,
            bad_below=True,
            span=4,
        ),
        number(
            "Accepted a second",
            "Records that Kafka acknowledged to the bridges.",
            units.Short,
            "sum(rate(previews_bridge_records_total{*}[$__rate_interval]))",
            bad_from=None,
            span=4,
        ),
        number(
            "Linked a second",
            "Events that ended with a link.",
            units.Short,
            'sum(rate(previews_outcomes_total{*,outcome="linked"}[$__rate_interval]))',
            bad_from=None,
            span=4,
        ),
        number(
            "Oldest unfinished record",
            "Age of the oldest record that no worker has finished.",
            units.Seconds,
            "max(previews_consumer_oldest_record_seconds{*})",
            bad_from=OLD_SECONDS,
            span=4,
        ),
        number(
            "Dead letters",
            "Records given up as ours to mend, in the time shown.",
            units.Short,
            "sum(increase(previews_dead_letters_total{*}[$__range]))",
            bad_from=1,
            decimals=0,
            span=4,
        ),
        number(
            "Lanes held",
            "Lanes in which no job may start now: an outage, the rate, or a setting to mend.",
            units.Short,
            "sum(previews_lane_held{*})",
            bad_from=1,
            decimals=0,
            span=4,
        ),
    )


def _flow(made: Dashboard) -> None:
    section(
        made,
        "Flow",
        lines(
            "Events a second",
            "What comes in through the bridges and what becomes of it. In the long run the first line is the sum of "
            "the others; foreign producers add to the others alone.",
            units.Short,
            ("sum(rate(previews_bridge_records_total{*}[$__rate_interval]))", "accepted"),
            ("sum by (outcome) (rate(previews_outcomes_total{*}[$__rate_interval]))", "{{outcome}}"),
            ("sum(rate(previews_dead_letters_total{*}[$__rate_interval]))", "dead letters"),
            alerts=["DeadLetters", "DeadLetterRatio"],
            span=12,
        ),
        lines(
            "Webhook to link",
            "Time from the webhook to the posted link.",
            units.Seconds,
            *quantiles("previews_end_to_end_seconds"),
            alerts=["LinksLateFastBurn"],
            span=12,
        ),
        lines(
            "Burn rate of the objective",
            "How many times faster than allowed links come late, by window: above 14.4 (1h) or 6 (6h) somebody is "
            "woken, above 3 (1d) or 1 (3d) it waits for the morning. From recording rules.",
            units.Short,
            *(
                (f'max(previews:links_late:ratio_rate{window}{{namespace=~"$namespace"}}) / 0.01', window)
                for window in BURN_RATES
            ),
            alerts=["LinksLateFastBurn", "LinksLateBurn", "LinksLateSlowBurn", "LinksLateBudgetSpent"],
            span=12,
        ),
        lines(
            "Verdicts a second",
            "What the files were, by outcome and verdict.",
            units.Short,
            (
                "sum by (outcome, verdict) (rate(previews_outcomes_total{*}[$__rate_interval])) > 0",
                "{{outcome}} {{verdict}}",
            ),
            stacked=True,
            span=12,
        ),
    )


def _waiting(made: Dashboard) -> None:
    section(
        made,
        "Where it waits",
        lines(
            "Unfinished records",
            "Records that wait or are worked on, by topic. [attachments] wait for rendering, [previews] for Genesys.",
            units.Short,
            ("sum by (topic) (previews_consumer_lag_records{*})", "{{topic}}"),
            alerts=["FallingBehind"],
            span=8,
        ),
        lines(
            "Oldest unfinished record",
            "Age of the oldest record that no worker has finished, by topic.",
            units.Seconds,
            ("max by (topic) (previews_consumer_oldest_record_seconds{*})", "{{topic}}"),
            alerts=["OldRecords", "NoProgress"],
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
            "Dead letters and retries",
            "Records given up, and attempts put off, by reason; docs/reasons.md says what to do.",
            units.Short,
            (
                "sum by (reason) (increase(previews_dead_letters_total{*}[$__rate_interval])) > 0",
                "dead letter: {{reason}}",
            ),
            ("sum by (reason) (increase(previews_retries_total{*}[$__rate_interval])) > 0", "retry: {{reason}}"),
            alerts=["DeadLetters"],
            span=8,
        ),
        lines(
            "Expiry and retries that are due",
            "By how much the oldest due row is late; 0 while nothing is.",
            units.Seconds,
            ("max by (instance) (previews_due_oldest_seconds{*})", "{{instance}}"),
            alerts=["DueBacklog"],
            span=8,
        ),
        lines(
            "Circuits and holds",
            "Part of the workers whose circuit is not closed, and holds a second by reason.",
            units.Short,
            (
                'avg by (service) (1 - previews_breaker_state{*,previews_breaker_state="closed"})',
                "circuit: {{service}}",
            ),
            ("sum by (reason) (rate(previews_holds_total{*}[$__rate_interval])) > 0", "hold: {{reason}}"),
            alerts=["CircuitOpen", "LaneHeld"],
            span=8,
        ),
    )


def _processes(made: Dashboard) -> None:
    section(
        made,
        "Processes",
        lines(
            "Processes by version",
            "How many of each version run.",
            units.Short,
            ("count by (job, version) (previews_build_info{*})", "{{job}} {{version}}"),
            alerts=["ProcessDown", "NothingReports"],
            span=8,
        ),
        lines(
            "CPU",
            "Cores used. Rendering children are processes of their own and not counted here.",
            units.Short,
            ("sum by (job, instance) (rate(process_cpu_seconds_total{*}[$__rate_interval]))", "{{job}} {{instance}}"),
            span=8,
        ),
        lines(
            "Memory",
            "Resident memory, without rendering children.",
            units.BytesIEC,
            ("sum by (job, instance) (process_resident_memory_bytes{*})", "{{job}} {{instance}}"),
            alerts=["ProcessRestarts"],
            span=8,
        ),
    )
