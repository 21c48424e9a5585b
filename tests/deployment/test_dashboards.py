"""The dashboards: what is committed is what the code makes, it fits the screen, and its links lead somewhere."""

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.files import PROVISIONED, as_json, present, wanted
from tests.deployment import expressions
from tests.deployment.test_rules import ALERTS, known

FILES = sorted(PROVISIONED.glob("*.json"))
FILLED = {
    "namespace": ".*",
    "job": ".*",
    "topic": ".*",
    "__rate_interval": "1m",
    "__range": "1h",
}


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def stem(path: Path) -> str:
    return path.stem


def test_what_is_committed_is_what_the_code_makes() -> None:
    files = wanted()
    assert present() == {path for path in files if path.suffix == ".json"}
    stale = [path.name for path, text in files.items() if path.read_text() != text]
    assert not stale, f"run make dashboards: {stale}"


@pytest.mark.parametrize("path", FILES, ids=stem)
def test_a_dashboard_is_found_under_the_name_of_its_file(path: Path) -> None:
    assert read(path)["uid"] == path.stem


def test_there_is_one_dashboard_for_each_part() -> None:
    assert [path.stem for path in FILES] == [
        "previews-bridge",
        "previews-genesys",
        "previews-overview",
        "previews-worker",
    ]


@pytest.mark.parametrize("path", FILES, ids=stem)
def test_the_models_of_grafana_read_it_and_write_the_same(path: Path) -> None:
    assert as_json(Dashboard.from_json(read(path))) == path.read_text()


@pytest.mark.parametrize("path", FILES, ids=stem)
def test_no_panel_lies_on_another_or_beside_the_screen(path: Path) -> None:
    cells = [
        {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        for at in (panel["gridPos"] for panel in read(path)["panels"])
    ]
    assert cells
    assert all(x < 24 for panel in cells for x, _ in panel)
    assert not any(one & other for one, other in combinations(cells, 2))


@pytest.mark.parametrize("path", FILES, ids=stem)
def test_every_panel_says_what_it_shows_in_which_unit(path: Path) -> None:
    for panel in read(path)["panels"]:
        if panel["type"] == "row":
            continue
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["datasource"]["uid"] == "${datasource}"
        assert all(target["legendFormat"] for target in panel["targets"])


@pytest.mark.parametrize("path", FILES, ids=stem)
def test_panels_and_their_ids_are_all_different(path: Path) -> None:
    panels = read(path)["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)


@pytest.mark.parametrize("path", FILES, ids=stem)
def test_links_lead_to_sections_of_the_runbooks_and_to_the_other_dashboards(path: Path) -> None:
    found = read(path)
    anchors = [link["url"] for panel in found["panels"] for link in panel.get("links", [])]
    assert anchors
    assert {re.fullmatch(r"\$\{runbooks\}#(\w+)", url)[1] for url in anchors} <= {alert.lower() for alert in ALERTS}  # type: ignore[index]
    others = {link["url"].removeprefix("/d/").partition("?")[0] for link in found["links"]} - {"${runbooks}"}
    assert others == {other.stem for other in FILES if other != path}
    (runbooks,) = (entry for entry in found["templating"]["list"] if entry["name"] == "runbooks")
    assert (expressions.ROOT / runbooks["query"]) == expressions.RUNBOOKS


def test_every_alert_is_linked_from_a_panel() -> None:
    text = "".join(path.read_text() for path in FILES)
    assert [alert for alert in ALERTS if f"${{runbooks}}#{alert.lower()}" not in text] == []


def test_every_expression_is_promql_and_asks_for_metrics_that_exist() -> None:
    asked = list(expressions.of_dashboards(FILLED))
    assert len(asked) > len(FILES)
    unknown = {
        (expression.where, name) for expression in asked for name in expressions.metrics(expression.text) - known()
    }
    assert not unknown


def test_a_variable_is_asked_for_its_values() -> None:
    found = {expression.text for expression in expressions.of_dashboards(FILLED) if "$" in expression.where}
    assert 'group by (namespace) (previews_build_info{namespace!=""})' in found
    assert 'group by (job) (previews_build_info{job!="",namespace=~".*"})' in found
