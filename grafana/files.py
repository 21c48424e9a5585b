"""What `make dashboards` writes: the dashboards for compose, and the chart's copies of dashboards and rules."""

import json
from pathlib import Path
from typing import Final

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana import bridge, genesys, overview, worker

ROOT: Final = Path(__file__).resolve().parent.parent
RULES: Final = ROOT / "prometheus" / "alerts.yml"
PROVISIONED: Final = ROOT / "grafana" / "dashboards"
CHART_FILES: Final = ROOT / "helm" / "attachment-previews" / "files"
MAKERS: Final = (overview.dashboard, bridge.dashboard, worker.dashboard, genesys.dashboard)


def wanted() -> dict[Path, str]:
    """Return what each generated file is to hold."""
    made = [make().build() for make in MAKERS]
    texts = {f"{dashboard.uid}.json": as_json(dashboard) for dashboard in made}
    files = {
        folder / name: text for name, text in texts.items() for folder in (PROVISIONED, CHART_FILES / "dashboards")
    }
    return {**files, CHART_FILES / "rules.yaml": RULES.read_text()}


def present() -> set[Path]:
    """Return the dashboards that are there, wanted or not."""
    return {*PROVISIONED.glob("*.json"), *(CHART_FILES / "dashboards").glob("*.json")}


def as_json(dashboard: Dashboard) -> str:
    """Return what Grafana reads; every panel has an id of its own, as links to panels need."""
    for number, panel in enumerate(dashboard.panels or [], start=1):
        panel.id_val = number
    return json.dumps(dashboard, cls=JSONEncoder, indent=2, sort_keys=True) + "\n"
