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
RUNBOOKS: Final = "docs/runbooks.md"
"""What the chart's `metrics.runbookUrl` takes the place of."""


def framed(uid: str, title: str, description: str) -> Dashboard:
    """Return a dashboard without panels; its variables are datasource, namespace, job and the runbooks' address."""
    return (
        Dashboard(f"Attachment previews: {title}")
        .uid(uid)
        .description(description)
        .tags([TAG])
        .time("now-1h", "now")
        .refresh("30s")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .editable()
        .link(_others())
        .link(DashboardLink("Runbooks").type(DashboardLinkType.LINK).icon("doc").url("${runbooks}"))
        .with_variable(DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        .with_variable(choice("namespace", "Namespace", "label_values(previews_build_info, namespace)"))
        .with_variable(choice("job", "Job", 'label_values(previews_build_info{namespace=~"$namespace"}, job)'))
        .with_variable(TextBoxVariable("runbooks").label("Runbooks at").default_value(RUNBOOKS))
    )


def choice(name: str, label: str, query: str) -> QueryVariable:
    """Return a variable of several label values, at first all of them; `.*` also takes what has no such label."""
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
        .current(VariableOption(selected=True, text="All", value="$__all"))
    )


def _others() -> DashboardLink:
    return (
        DashboardLink("Attachment previews")
        .type(DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .as_dropdown(True)  # noqa: FBT003 - the builder's own signature
        .include_vars(True)  # noqa: FBT003
        .keep_time(True)  # noqa: FBT003
    )
