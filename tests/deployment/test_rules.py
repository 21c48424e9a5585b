"""Alerts and recording rules: promtool's judgement, their runbooks, and the chart's copy."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import promql_parser
import pytest
import yaml
from prometheus_client import CollectorRegistry

from stream.telemetry import Metrics
from tests.deployment import expressions, promtool
from tests.harness.servers import MissingServerError, skip_or_fail

SECTIONS = re.findall(r"^## (\w+)$", expressions.RUNBOOKS.read_text(), re.MULTILINE)
ALERTS = {rule["alert"]: rule for rule in expressions.rules() if "alert" in rule}
RECORDS = {rule["record"] for rule in expressions.rules() if "record" in rule}
OF_PROMETHEUS = {"up", "process_start_time_seconds", "process_cpu_seconds_total", "process_resident_memory_bytes"}


def known() -> set[str]:
    """Return the names of all series that Prometheus may have."""
    names = {family.name for family in Metrics(CollectorRegistry()).registry.collect()}
    suffixes = ("", "_total", "_bucket", "_sum", "_count", "_info")
    return {f"{name}{suffix}" for name in names for suffix in suffixes} | RECORDS | OF_PROMETHEUS


def asked_of_promtool() -> Iterator[tuple[str, bool]]:
    """Yield each alert that promtool's tests ask for, and whether it must fire."""
    for path in promtool.TESTS:
        for case in yaml.safe_load(path.read_text())["tests"]:
            for asked in case["alert_rule_test"]:
                yield asked["alertname"], bool(asked["exp_alerts"])


def judged(found: str) -> None:
    assert not found, found


@pytest.mark.real
@pytest.mark.parametrize("path", promtool.TESTS, ids=lambda path: path.stem)
def test_alerts_fire_and_are_quiet_as_written_down(path: Path) -> None:
    try:
        judged(promtool.tested(path))
    except MissingServerError as error:
        skip_or_fail(str(error), os.environ)


@pytest.mark.real
def test_prometheus_takes_configuration_and_rules() -> None:
    try:
        judged(promtool.config())
    except MissingServerError as error:
        skip_or_fail(str(error), os.environ)


def test_every_alert_is_tried_once_firing_and_once_quiet() -> None:
    asked = set(asked_of_promtool())
    assert asked == {(alert, fires) for alert in ALERTS for fires in (True, False)}


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_tells_how_bad_how_much_and_where_to_read_on(alert: str) -> None:
    rule = ALERTS[alert]
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"] == f"docs/runbooks.md#{alert.lower()}"


def test_every_alert_has_its_section_and_every_section_an_alert() -> None:
    assert list(ALERTS) == SECTIONS
    text = expressions.RUNBOOKS.read_text()
    for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        heads = re.findall(r"^\*\*([A-Z][\w ]+)\.\*\*", part, re.MULTILINE)
        assert heads == ["Means", "Look first", "Do", "Not"], part.splitlines()[0]


def test_rules_and_runbooks_ask_for_metrics_that_exist() -> None:
    asked = [*expressions.of_rules(), *expressions.of_runbooks()]
    assert asked
    unknown = {
        (expression.where, name) for expression in asked for name in expressions.metrics(expression.text) - known()
    }
    assert not unknown


@pytest.mark.parametrize(
    ("condition", "asked"),
    [
        ("a > 5", ["a"]),
        ("sum by (x) (rate(a[5m])) > 14.4 * 0.01 and b", ["sum by (x) (rate(a[5m]))", "b"]),
        ('absent(a{job="x"}) or absent(b)', ['a{job="x"}', "b"]),
        ("(a / b) == 0", ["a / b"]),
        (
            "up == 0 and on (job) group by (job) (last_over_time(i[1d]))",
            ["up", "group by (job) (last_over_time(i[1d]))"],
        ),
    ],
)
def test_of_a_condition_what_it_is_about_is_asked(condition: str, asked: list[str]) -> None:
    assert list(expressions.operands(promql_parser.parse(condition))) == asked
