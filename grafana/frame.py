"""What all dashboards have in common: variables, links to each other and to the runbooks, time and refresh."""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import (
    Dashboard,
    DashboardLink,
    DatasourceVariable,
    QueryVariable,
    TextBoxVariable,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from grafana.panels import DATASOURCE

TAG: Final = "attachment-previews"
ALL: Final = "$__all"
DASHBOARDS: Final = {
    "previews-overview": "Overview",
    "previews-bridge": "Bridge",
    "previews-worker": "Worker and Kafka",
    "previews-genesys": "Genesys",
}
"""Titles by uid."""
RUNBOOKS: Final = "docs/runbooks.md"
"""What the chart's `metrics.runbookUrl` takes the place of."""


def framed(uid: str, description: str, *, job: str = ALL) -> Dashboard:
    """Return a dashboard without panels; its variables are datasource, namespace, job and the runbooks' address.

    Bridge and worker declare the same metrics and each leaves the other's at 0: `job` is the one to look at.
    """
    return (
        Dashboard(f"Attachment previews: {DASHBOARDS[uid]}")
        .uid(uid)
        .description(description)
        .tags([TAG])
        .time("now-1h", "now")
        .refresh("30s")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .editable()
        .links([*(_other(*each) for each in DASHBOARDS.items() if each[0] != uid), _runbooks()])
        .with_variable(DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        .with_variable(choice("namespace", "Namespace", "label_values(previews_build_info, namespace)"))
        .with_variable(choice("job", "Job", 'label_values(previews_build_info{namespace=~"$namespace"}, job)', job))
        .with_variable(TextBoxVariable("runbooks").label("Runbooks at").default_value(RUNBOOKS))
    )


def choice(name: str, label: str, query: str, chosen: str = ALL) -> QueryVariable:
    """Return a variable of several label values; for all of them `.*` also takes what has no such label."""
    option = (
        VariableOption(selected=True, text="All", value=ALL)
        if chosen == ALL
        else VariableOption(selected=True, text=[chosen], value=[chosen])
    )
    return (
        QueryVariable(name)
        .label(label)
        .datasource(DATASOURCE)
        .query({"query": query, "refId": "StandardVariableQuery"})
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(True)  # noqa: FBT003 - the builder's own signature
        .include_all(True)  # noqa: FBT003
        .all_value(".*")
        .current(option)
    )


def _other(uid: str, title: str) -> DashboardLink:
    # Not by tag with all variables: the job of one dashboard would come along to the next.
    return (
        DashboardLink(title)
        .type(DashboardLinkType.LINK)
        .icon("dashboard")
        .url(f"/d/{uid}?${{datasource:queryparam}}&${{namespace:queryparam}}")
        .keep_time(True)  # noqa: FBT003 - the builder's own signature
    )


def _runbooks() -> DashboardLink:
    return DashboardLink("Runbooks").type(DashboardLinkType.LINK).icon("doc").url("${runbooks}")
