"""What the chart asks of others: Strimzi's topics, KEDA's scaler, the Prometheus operator, Grafana."""

import re
from pathlib import Path

import pytest

from stream.settings import KafkaSettings, load
from stream.topics import specs
from tests.deployment import validation
from tests.deployment.helm import CHART, VALUES
from tests.deployment.manifests import ENOUGH, EVERYTHING, Manifests, had, made, setting
from tests.harness.servers import existing
from tools import charts

pytestmark = pytest.mark.real

MAX_CONFIG_MAP_BYTES = 1_000_000  # Kubernetes takes 1 MiB with everything around it
RESOURCE_NAME = re.compile(r"[a-z0-9]([-.a-z0-9]*[a-z0-9])?")


@pytest.fixture(scope="module")
def manifests() -> Manifests:
    return made(*EVERYTHING)


@pytest.mark.parametrize(
    "environ",
    [
        {"TOPIC_PARTITIONS": "32", "TOPIC_REPLICATION_FACTOR": "3", "TOPIC_MIN_INSYNC_REPLICAS": "2"},
        {
            "TOPIC_PREFIX": "Team_A.",
            "WORKER_GROUP": "w",
            "TOPIC_PARTITIONS": "7",
            "TOPIC_REPLICATION_FACTOR": "2",
            "TOPIC_MIN_INSYNC_REPLICAS": "1",
            "TOPIC_RETENTION_HOURS": "1",
            "DEAD_LETTER_RETENTION_HOURS": "87600",
        },
        {"TOPIC_PARTITIONS": "", "TOPIC_REPLICATION_FACTOR": "", "TOPIC_MIN_INSYNC_REPLICAS": ""},
    ],
    ids=["of the chart", "of its own", "of the product"],
)
def test_strimzi_makes_the_topics_that_the_product_wants(environ: dict[str, str]) -> None:
    settings = [argument for pair in environ.items() for argument in setting(*pair)]
    mode = ("--set", "topics.mode=strimzi,topics.strimzi.cluster=main")
    found = [item for (kind, _), item in made(*ENOUGH, *mode, *settings).items() if kind == "KafkaTopic"]
    wanted = {spec.name: spec for spec in specs(load(KafkaSettings, environ, Path("no.env")))}
    assert {item["spec"]["topicName"] for item in found} == wanted.keys()
    for item in found:
        spec = wanted[item["spec"]["topicName"]]
        assert RESOURCE_NAME.fullmatch(item["metadata"]["name"])
        assert item["spec"]["partitions"] == spec.partitions
        assert item["spec"]["replicas"] == spec.replication_factor
        assert item["spec"]["config"] == spec.config
        assert item["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def expected_dashboards() -> list[Path]:
    return sorted((CHART / "files" / "dashboards").glob("*.json"))


@pytest.fixture(scope="module")
def scaler() -> dict[str, tuple[str, set[str]]]:
    """What KEDA's Kafka scaler takes, from its source: where a field may stand, and the values that it may have."""
    source = had(lambda: existing(charts.definitions(), "KEDA's source") / "kafka_scaler.go")
    tags = re.findall(r'keda:"name=(\w+),order=([\w;]+)(?:[^"]*?enum=([\w;]+))?', source.read_text())
    return {name: (order, set(filter(None, values.split(";")))) for name, order, values in tags}


@pytest.mark.parametrize("values", sorted(VALUES.glob("*keda*")), ids=lambda path: path.stem)
def test_the_trigger_says_what_the_scaler_of_keda_understands(
    scaler: dict[str, tuple[str, set[str]]], values: Path
) -> None:
    found = made("--values", values)
    triggers = [
        trigger
        for (kind, _), item in found.items()
        if kind == "ScaledObject"
        for trigger in item["spec"]["triggers"]
        if trigger["type"] == "kafka"
    ]
    for name, value in (pair for trigger in triggers for pair in trigger["metadata"].items()):
        order, allowed = scaler[name]
        assert "triggerMetadata" in order
        assert not allowed or value in allowed
    for authentication in (item["spec"] for (kind, _), item in found.items() if kind == "TriggerAuthentication"):
        for reference in [*authentication["secretTargetRef"], *authentication.get("configMapTargetRef", [])]:
            assert "authParams" in scaler[reference["parameter"]][0]


def test_rules_and_dashboards_are_the_files_of_the_chart(manifests: Manifests) -> None:
    files = expected_dashboards()
    carried = {
        name: text
        for (kind, _), item in manifests.items()
        if kind == "ConfigMap" and "grafana_dashboard" in item["metadata"]["labels"]
        for name, text in item["data"].items()
    }
    assert carried == {path.name: path.read_text().strip() for path in files}
    assert carried
    assert all(len(text.encode()) < MAX_CONFIG_MAP_BYTES for text in carried.values())
    assert manifests["PrometheusRule", "p"]["spec"] == validation.read_yaml(CHART / "files" / "rules.yaml")


def test_rules_and_dashboards_lead_to_where_the_runbooks_are_read() -> None:
    address = "https://pages.example.com/runbooks.html"
    found = made(*EVERYTHING, "--set", f"metrics.runbookUrl={address}")
    groups = found["PrometheusRule", "p"]["spec"]["groups"]
    alerts = [rule for group in groups for rule in group["rules"] if "alert" in rule]
    assert alerts
    for rule in alerts:
        assert rule["annotations"]["runbook_url"] == f"{address}#{rule['alert'].lower()}"
    dashboards = [text for (kind, _), item in found.items() if kind == "ConfigMap" for text in item["data"].values()]
    assert sum(f'"query": "{address}"' in text for text in dashboards) == len(expected_dashboards())
