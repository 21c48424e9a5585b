"""The chart, rendered by Helm itself: what a deployment of it relies on."""

import os
import re
import typing
from pathlib import Path
from typing import Any

import pytest

from agents.settings import WorkerSettings
from stream.__main__ import parser
from stream.settings import BridgeSettings, KafkaSettings, Secret, load
from stream.topics import specs
from stream.variables import base_type
from tests.deployment import chart, golden_files, restricted, validation
from tests.deployment.helm import CHART, GOLDEN, KUBERNETES, VALUES, Manifest, Rendered, combinations, run, template
from tests.harness.servers import MissingServerError, existing, skip_or_fail
from tools import charts

pytestmark = pytest.mark.real

KINDS: tuple[type[KafkaSettings], ...] = (BridgeSettings, WorkerSettings)
KNOWN = {name.upper() for kind in KINDS for name in kind.__struct_fields__}
SECRETS = {
    name.upper()
    for kind in KINDS
    for name, hint in typing.get_type_hints(kind, include_extras=True).items()
    if base_type(hint) is Secret
}
WORKER = load(
    WorkerSettings, {"GENESYS_CLIENT_ID": "id", "GENESYS_CLIENT_SECRET": "secret", "OBJECT_KEY_SECRET": "k" * 16}
)
MAX_CONFIG_MAP_BYTES = 1_000_000  # Kubernetes takes 1 MiB with everything around it
RESOURCE_NAME = re.compile(r"[a-z0-9]([-.a-z0-9]*[a-z0-9])?")
ENOUGH = ("--values", VALUES / "minimal.yaml")
EVERYTHING = ("--values", VALUES / "production.yaml")

Manifests = dict[tuple[str, str], Manifest]


def made(*arguments: str | Path) -> Manifests:
    said = helm_template(*arguments)
    assert not said.refusal
    return {(item["kind"], item["metadata"]["name"]): item for item in said.manifests}


def helm_template(*arguments: str | Path) -> Rendered:
    try:
        return template(*arguments)
    except MissingServerError as error:
        skip_or_fail(str(error), os.environ)


def faults(manifest: Manifest) -> list[str]:
    try:
        return validation.faults(manifest)
    except MissingServerError as error:
        skip_or_fail(str(error), os.environ)


def setting(variable: str, value: str) -> tuple[str, str]:
    return ("--set-string", f"settings.{variable}={value}")


@pytest.fixture(scope="module")
def manifests() -> Manifests:
    return made(*EVERYTHING)


def container(item: Manifest) -> dict[str, Any]:
    (only,) = item["spec"]["template"]["spec"]["containers"]
    found: dict[str, Any] = only
    return found


def variables(item: Manifest) -> dict[str, str]:
    return {entry["name"]: entry.get("value", "") for entry in container(item)["env"]}


def test_helm_finds_no_fault() -> None:
    try:
        linted = run("lint", "--strict", CHART, *KUBERNETES, *ENOUGH)
    except MissingServerError as error:
        skip_or_fail(str(error), os.environ)
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_the_suites_of_helm_unittest_pass() -> None:
    try:
        assert chart.unit_tests().faults == ()
    except MissingServerError as error:
        skip_or_fail(str(error), os.environ)


def test_there_are_as_many_combinations_as_are_promised() -> None:
    assert len(combinations()) >= 25


@pytest.mark.parametrize("values", combinations(), ids=lambda path: path.stem)
def test_every_manifest_of_a_combination_is_valid(values: Path) -> None:
    said = helm_template("--values", values)
    assert not said.refusal
    assert [fault for manifest in said.manifests for fault in faults(manifest)] == []


@pytest.mark.parametrize("values", combinations(), ids=lambda path: path.stem)
def test_every_pod_of_a_combination_is_confined(values: Path) -> None:
    pods = restricted.pods(helm_template("--values", values).manifests)
    assert len(pods) >= 2
    assert [(name, fault) for name, pod in pods for fault in restricted.faults(pod)] == []


def test_the_validation_refuses_what_is_wrong(manifests: Manifests) -> None:
    for manifest in manifests.values():
        assert faults({**manifest, "spek": {}}), manifest["kind"]
    for manifest in manifests.values():
        if manifest["kind"] not in {"ConfigMap", "ServiceAccount"}:
            assert faults({**manifest, "spec": {**manifest["spec"], "nonsense": 1}}), manifest["kind"]
    assert faults({"apiVersion": "v1", "kind": "Nonsense", "metadata": {"name": "n"}})


def test_what_is_made_from_the_chart_is_up_to_date() -> None:
    try:
        wanted = golden_files.expected()
    except MissingServerError as error:
        skip_or_fail(str(error), os.environ)
    stale = [path.name for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    assert stale == [], "make golden writes them anew"
    assert {path.stem for path in GOLDEN.iterdir()} == {path.stem for path in combinations()}


def test_the_chart_holds_what_a_deployment_needs(manifests: Manifests) -> None:
    assert {kind for kind, _ in manifests} == {
        "ConfigMap",
        "Deployment",
        "HorizontalPodAutoscaler",
        "Ingress",
        "KafkaTopic",
        "NetworkPolicy",
        "Pod",
        "PodDisruptionBudget",
        "PodMonitor",
        "PrometheusRule",
        "ScaledObject",
        "Service",
        "ServiceAccount",
        "StatefulSet",
        "TriggerAuthentication",
    }
    for kind in ("NetworkPolicy", "PodDisruptionBudget", "PodMonitor", "Service"):
        assert {"p-bridge", "p-worker"} <= {name for found, name in manifests if found == kind}


@pytest.mark.parametrize(("component", "kind"), [("bridge", "Deployment"), ("worker", "StatefulSet")])
def test_probes_ask_the_port_that_the_process_listens_on(manifests: Manifests, component: str, kind: str) -> None:
    item = manifests[kind, f"p-{component}"]
    (port,) = container(item)["ports"]
    variable = {"bridge": "BRIDGE_PORT", "worker": "HEALTH_PORT"}[component]
    assert variables(item)[variable] == str(port["containerPort"])
    startup = {"bridge": "/healthz", "worker": "/startupz"}[component]
    for probe, path in {"startup": startup, "readiness": "/readyz", "liveness": "/healthz"}.items():
        assert container(item)[f"{probe}Probe"]["httpGet"] == {"path": path, "port": port["name"]}


def test_the_pods_outlive_the_drain_of_their_process() -> None:
    found = made(*ENOUGH)
    bridge = found["Deployment", "p-bridge"]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    worker = found["StatefulSet", "p-worker"]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    pre_stop_seconds = float(found["ConfigMap", "p-bridge"]["data"]["BRIDGE_PRE_STOP_SECONDS"])
    assert pre_stop_seconds > 0
    assert bridge > BridgeSettings().bridge_drain_seconds + pre_stop_seconds
    assert worker > WORKER.shutdown_seconds


def test_the_pods_outlive_a_drain_that_was_made_longer() -> None:
    found = made(*ENOUGH, *setting("BRIDGE_DRAIN_SECONDS", "100"), *setting("SHUTDOWN_SECONDS", "200"))
    bridge = found["Deployment", "p-bridge"]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    worker = found["StatefulSet", "p-worker"]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert bridge > 105
    assert worker > 200


@pytest.mark.parametrize("values", combinations(), ids=lambda path: path.stem)
def test_every_variable_of_the_chart_is_a_setting(values: Path) -> None:
    found = helm_template("--values", values).manifests
    ours = [item for item in found if item["metadata"].get("labels", {}).get("app.kubernetes.io/instance") == "p"]
    dashboards = {"grafana_dashboard", "dashboards"}
    given = {
        name
        for item in ours
        if item["kind"] == "ConfigMap" and not dashboards & item["metadata"]["labels"].keys()
        for name in item["data"]
    }
    given |= {name for item in ours if item["kind"] == "Secret" for name in item["stringData"]}
    given |= {
        entry["name"] for _, pod in restricted.pods(ours) for one in pod["containers"] for entry in one.get("env", [])
    }
    assert given - {"TZ"} <= KNOWN  # one combination gives its pods a variable of its own


def test_the_settings_that_a_process_gets_are_settings_that_it_takes(manifests: Manifests) -> None:
    for component, kind in (("bridge", BridgeSettings), ("worker", WorkerSettings)):
        given = dict(manifests["ConfigMap", f"p-{component}"]["data"])
        needed = {"GENESYS_CLIENT_ID": "i", "GENESYS_CLIENT_SECRET": "s", "OBJECT_KEY_SECRET": "k" * 16}
        user = {"KAFKA_SASL_USERNAME": "u", "KAFKA_SASL_PASSWORD": "p"}
        loaded = load(kind, {**given, **needed, **user}, Path("no.env"))
        assert loaded.kafka_bootstrap_servers == given["KAFKA_BOOTSTRAP_SERVERS"]


def test_no_secret_may_stand_among_the_settings() -> None:
    for variable in SECRETS:
        said = helm_template(*ENOUGH, *setting(variable, "hush"))
        assert f"settings.{variable} is a secret" in said.refusal


def test_topics_are_made_before_the_pods() -> None:
    job = made(*ENOUGH)["Job", "p-topics"]
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert container(job)["args"] == ["stream", "topics"]


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
    try:
        source = existing(charts.definitions(), "KEDA's source") / "kafka_scaler.go"
    except MissingServerError as error:
        skip_or_fail(str(error), os.environ)
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


def test_pods_start_anew_when_what_they_read_changes() -> None:
    def checksums(*arguments: str) -> dict[str, dict[str, str]]:
        found = made("--values", VALUES / "secrets-by-values.yaml", *arguments)
        pods = {"bridge": found["Deployment", "p-bridge"], "worker": found["StatefulSet", "p-worker"]}
        return {name: item["spec"]["template"]["metadata"]["annotations"] for name, item in pods.items()}

    before = checksums()
    of_worker = checksums("--set", "worker.settings.LOG_LEVEL=DEBUG")
    assert of_worker["bridge"] == before["bridge"]
    assert of_worker["worker"]["checksum/config"] != before["worker"]["checksum/config"]
    of_bridge = checksums("--set", "secrets.webhook.values.WEBHOOK_SECRET=another")
    assert of_bridge["worker"] == before["worker"]
    assert of_bridge["bridge"]["checksum/secret"] != before["bridge"]["checksum/secret"]


def test_the_test_pod_runs_a_command_that_there_is() -> None:
    arguments = made(*ENOUGH)["Pod", "p-test"]["spec"]["containers"][0]["args"]
    assert arguments[0] == "stream"
    options = parser().parse_args(arguments[1:])
    assert options.bridge == "http://p-bridge:80"
    assert options.wait_seconds == 60


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ("settings.S3_ENDPOINT=", "settings.S3_ENDPOINT must be set"),
        ("settings.S3_SECRET_KEY=hush", "S3_SECRET_KEY is a secret"),
        ("bridge.settings.WEBHOOK_MESSAGES_CREDENTIALS=bearer:hush", "WEBHOOK_MESSAGES_CREDENTIALS is a secret"),
        ("bridge.ingress.enabled=true", "bridge.ingress.host must be set"),
        ("secrets.existingSecret=,secrets.webhook.values=null", "the bridge does not start"),
        ("secrets.existingSecret=,secrets.webhook.values.WEBHOOK_SECRET=x", "secrets.genesys.values.GENESYS_CLIENT_ID"),
        ("worker.replicas=33", "worker.replicas is 33: at most settings.TOPIC_PARTITIONS, which is 32"),
        ("worker.autoscaling.type=keda,worker.autoscaling.maxReplicas=33", "maxReplicas is 33: at most"),
        ("worker.autoscaling.type=hpa,worker.autoscaling.minReplicas=9", "minReplicas is 9: at most maxReplicas"),
        ("worker.autoscaling.type=hpa,worker.autoscaling.minReplicas=0", "needs at least 1"),
        ("worker.autoscaling.type=keda,worker.autoscaling.keda.fallback.replicas=9", "fallback.replicas is 9: at most"),
        ("worker.autoscaling.type=vpa", "at '/worker/autoscaling/type': value must be one of 'none', 'hpa', 'keda'"),
        ("bridge.spool.enabled=true,bridge.autoscaling.type=hpa", "bridge.spool.enabled needs bridge.autoscaling.type"),
        ("topics.mode=strimzi", "topics.strimzi.cluster must be set"),
        ("topics.mode=operator", "at '/topics/mode': value must be one of 'job', 'strimzi', 'none'"),
        ("bridge.terminationGracePeriodSeconds=30", "terminationGracePeriodSeconds is 30: at least 40"),
        ("settings.BRIDGE_PORT=80", "settings.BRIDGE_PORT is set by the chart"),
        ("worker.settings.TOPIC_PARTITIONS=8", "worker.settings.TOPIC_PARTITIONS must be the same for every process"),
        ("settings.TOPIC_MIN_INSYNC_REPLICAS=4", "at most TOPIC_REPLICATION_FACTOR, which is 3"),
        ("settings.S3_BUKCET=previews", "additional properties 'S3_BUKCET' not allowed"),
        ("settings.LOG_LEVEL=LOUD", "at '/settings/LOG_LEVEL': value must be one of"),
        ("wroker.replicas=1", "additional properties 'wroker' not allowed"),
        ("worker.replicas=many", "at '/worker/replicas': got string, want integer"),
        ("secrets.genesys.values.S3_SECRET_KEY=x", "additional properties 'S3_SECRET_KEY' not allowed"),
        ("securityContext.runAsUser=0", "at '/securityContext/runAsUser': minimum: got 0, want 1"),
        ("kafkaTls.caSecret=ca", "kafkaTls needs settings.KAFKA_SECURITY_PROTOCOL"),
    ],
)
def test_a_wrong_value_is_named(values: str, reason: str) -> None:
    assert reason in helm_template(*ENOUGH, "--set", values).refusal


@pytest.mark.parametrize(
    "arguments",
    [
        "secrets.webhook.values.WEBHOOK_OPEN_MESSAGING_CREDENTIALS=hub:hush",
        "secrets.webhook.existingSecret=of-my-own",
        "secrets.webhook.values.WEBHOOK_SECRET=hush",
        "bridge.settings.WEBHOOK_ALLOW_UNAUTHENTICATED=true",
    ],
)
def test_a_bridge_that_would_start_is_rendered(arguments: str) -> None:
    rest = "secrets.existingSecret=,secrets.genesys.existingSecret=g,secrets.objectKey.existingSecret=o"
    assert helm_template(*ENOUGH, "--set", rest, "--set", arguments).refusal == ""


def test_a_kubernetes_that_is_too_old_is_refused() -> None:
    said = helm_template(*ENOUGH, "--kube-version", "1.29.0")
    assert "chart requires kubeVersion: >=1.30.0-0" in said.refusal
