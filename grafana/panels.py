"""Panels in the house style: a title, what it means, a unit, and expressions with their legends.

In expressions `{*}` stands for the namespace and job that are chosen above the dashboard.
"""

from collections.abc import Sequence
from typing import Final

from grafana_foundation_sdk.builders import common, prometheus, stat, timeseries
from grafana_foundation_sdk.builders.dashboard import Dashboard, DashboardLink, Row, ThresholdsConfig
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    LegendDisplayMode,
    LegendPlacement,
    StackingMode,
    TooltipDisplayMode,
)
from grafana_foundation_sdk.models.dashboard import DashboardLinkType, DataSourceRef, Panel, Threshold, ThresholdsMode

DATASOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")
CHOSEN: Final = 'namespace=~"$namespace",job=~"$job"'
COLUMNS: Final = 24
LINES_HEIGHT: Final = 8
NUMBER_HEIGHT: Final = 4
QUANTILES: Final = (0.5, 0.95, 0.99)

Query = tuple[str, str]
"""An expression and its legend."""


def lines(
    title: str, meaning: str, unit: str, *queries: Query, alerts: Sequence[str] = (), stacked: bool = False, span: int
) -> timeseries.Panel:
    """Return a panel of lines over time, or of stacked areas; `span` is its width of 24 columns."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(meaning)
        .datasource(DATASOURCE)
        .unit(unit)
        .min(0)
        .span(span)
        .height(LINES_HEIGHT)
        .fill_opacity(30 if stacked else 8)
        .legend(_legend())
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
        .links([runbook(alert) for alert in alerts])
        .targets([_target(number, query) for number, query in enumerate(queries)])
    )
    return panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL)) if stacked else panel


def number(
    title: str,
    meaning: str,
    unit: str,
    expression: str,
    *,
    bad_from: float | None,
    span: int,
    bad_below: bool = False,
    decimals: int = 2,
) -> stat.Panel:
    """Return a panel with one number, red from `bad_from` on, or below it; None is never red."""
    colors = ("red", "green") if bad_below else ("green", "red")
    steps = [Threshold(value=None, color=colors[0] if bad_from is not None else "text")]
    if bad_from is not None:
        steps.append(Threshold(value=bad_from, color=colors[1]))
    return (
        stat.Panel()
        .title(title)
        .description(meaning)
        .datasource(DATASOURCE)
        .unit(unit)
        .span(span)
        .height(NUMBER_HEIGHT)
        .decimals(decimals)
        .thresholds(ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
        .color_mode(BigValueColorMode.VALUE)
        .graph_mode(BigValueGraphMode.AREA)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .with_target(_target(0, (expression, title)))
    )


def quantiles(metric: str, *labels: str, window: str = "$__rate_interval") -> list[Query]:
    """Return the quantiles of a histogram, or, by labels, the 95th percentile of each.

    What is rare needs a longer `window`, or it has no quantiles most of the time.
    """
    by = ", ".join((*labels, "le"))
    legend = " ".join(f"{{{{{label}}}}}" for label in labels)
    wanted = (0.95,) if labels else QUANTILES
    rate = f"sum by ({by}) (rate({metric}_bucket{{*}}[{window}]))"
    return [(f"histogram_quantile({quantile}, {rate})", legend or f"p{quantile * 100:.0f}") for quantile in wanted]


def section(made: Dashboard, title: str, *panels: Builder[Panel]) -> None:
    """Put panels under a heading, side by side as long as there is room."""
    made.with_row(Row(title))
    for panel in panels:
        made.with_panel(panel)


def runbook(alert: str) -> DashboardLink:
    """Return a link to an alert's section of docs/runbooks.md, wherever that is read."""
    return (
        DashboardLink(f"Runbook: {alert}")
        .type(DashboardLinkType.LINK)
        .url(f"${{runbooks}}#{alert.lower()}")
        .target_blank(True)  # noqa: FBT003 - the builder's own signature
    )


def _target(place: int, query: Query) -> prometheus.Dataquery:
    expression, legend = query
    return (
        prometheus.Dataquery()
        .ref_id(chr(ord("A") + place))
        .datasource(DATASOURCE)
        .expr(expression.replace("{*", "{" + CHOSEN))
        .legend_format(legend)
        .range()
    )


def _legend() -> common.VizLegendOptions:
    return (
        common.VizLegendOptions()
        .display_mode(LegendDisplayMode.LIST)
        .placement(LegendPlacement.BOTTOM)
        .show_legend(True)  # noqa: FBT003 - the builder's own signature
    )
