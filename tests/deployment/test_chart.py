"""The chart, rendered by Helm itself: what a deployment of it relies on."""

import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from agents.settings import WorkerSettings
from stream.__main__ import parser
from stream.settings import BridgeSettings, KafkaSettings, load
from tests.deployment import chart, golden_files, restricted
from tests.deployment.helm import CHART, GOLDEN, KUBERNETES, VALUES, Manifest, combinations, run
from tests.deployment.manifests import ENOUGH, EVERYTHING, Manifests, container, faults, had, made, rendered, setting

pytestmark = pytest.mark.real

PROCESSES: dict[str, type[KafkaSettings]] = {"bridge": BridgeSettings, "worker": WorkerSettings}
KNOWN = {name.upper() for kind in PROCESSES.values() for name in kind.__struct_fields__}
OF_SECRETS = {
    **dict.fromkeys(("KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD", "KAFKA_OAUTH_CLIENT_SECRET"), "x"),
    **dict.fromkeys(("GENESYS_CLIENT_ID", "GENESYS_CLIENT_SECRET", "OBJECT_KEY_SECRET"), "sixteen-characters"),
    "CDN_PRESIGNED_URL_TEMPLATE": "https://cdn.example.com/{key}?signature=s",
}
WORKER = load(
    WorkerSettings, {"GENESYS_CLIENT_ID": "id", "GENESYS_CLIENT_SECRET": "secret", "OBJECT_KEY_SECRET": "k" * 16}
)


@pytest.fixture(scope="module")
def manifests() -> Manifests:
    return made(*EVERYTHING)


def variables(item: Manifest) -> dict[str, str]:
    return {entry["name"]: entry.get("value", "") for entry in container(item)["env"]}


def test_helm_finds_no_fault() -> None:
    linted = had(lambda: run("lint", "--strict", CHART, *KUBERNETES, *ENOUGH))
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_the_suites_of_helm_unittest_pass() -> None:
    assert had(lambda: chart.unit_tests().faults) == ()


def test_there_are_as_many_combinations_as_are_promised() -> None:
    assert len(combinations()) >= 25


@pytest.mark.parametrize("values", combinations(), ids=lambda path: path.stem)
def test_every_manifest_of_a_combination_is_valid(values: Path) -> None:
    said = rendered("--values", values)
    assert not said.refusal
    assert [fault for manifest in said.manifests for fault in faults(manifest)] == []


@pytest.mark.parametrize("values", combinations(), ids=lambda path: path.stem)
def test_every_pod_of_a_combination_is_confined(values: Path) -> None:
    pods = restricted.pods(rendered("--values", values).manifests)
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
    wanted = had(golden_files.expected)
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
    found = rendered("--values", values).manifests
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


@pytest.mark.parametrize("values", combinations(), ids=lambda path: path.stem)
def test_the_settings_that_a_process_gets_are_settings_that_it_takes(values: Path, tmp_path: Path) -> None:
    for item in made("--values", values).values():
        component = item["metadata"].get("labels", {}).get("app.kubernetes.io/component")
        if item["kind"] not in {"Deployment", "StatefulSet"} or component not in PROCESSES:
            continue
        config_map = container(item)["envFrom"][0]["configMapRef"]["name"]
        given = made("--values", values)["ConfigMap", config_map]["data"] | variables(item) | OF_SECRETS
        load(PROCESSES[component], {**given, **mounted(given, tmp_path)}, tmp_path / "no.env")


def mounted(given: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Return the variables that name mounted files, with files of this machine in their place."""
    (folder / "file.pem").touch()
    return {name: str(folder / "file.pem") for name in given if name.startswith("KAFKA_SSL_") and name.endswith("FILE")}


def test_a_package_of_the_chart_holds_what_it_renders_and_no_suites(tmp_path: Path) -> None:
    packaged = had(lambda: run("package", CHART, "--destination", tmp_path))
    assert packaged.returncode == 0, packaged.stderr
    (package,) = tmp_path.iterdir()
    with tarfile.open(package) as archive:
        names = {name.removeprefix("attachment-previews/") for name in archive.getnames()}
    assert {"files/rules.yaml", "templates/tests/probe.yaml", "values.schema.json", "README.md"} <= names
    assert not [name for name in names if name.startswith("tests/") or name.endswith(".gotmpl")]


def test_topics_are_made_before_the_pods() -> None:
    job = made(*ENOUGH)["Job", "p-topics"]
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert container(job)["args"] == ["stream", "topics"]


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
