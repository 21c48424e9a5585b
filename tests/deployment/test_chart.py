"""The chart, rendered by Helm itself."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from agents.settings import WorkerSettings
from stream.settings import BridgeSettings, load
from tests.harness.servers import MissingServerError, existing, skip_or_fail
from tools import servers as installed

CHART = Path(__file__).resolve().parents[2] / "helm" / "attachment-previews"
KUBERNETES = ["--kube-version", "1.31.0"]
S3 = ["--set", "settings.S3_ENDPOINT=https://s3.example.com"]
GUARDED = ["--set", "secret.values.WEBHOOK_OPEN_MESSAGING_CREDENTIALS=hub:hush"]
EVERYTHING = [
    *S3,
    *("--set", "networkPolicy.enabled=true"),
    *("--set", "bridge.ingress.enabled=true"),
    *("--set", "bridge.ingress.host=previews.example.com"),
    *("--set", "secret.values.GENESYS_CLIENT_SECRET=hush"),
    *GUARDED,
]
KNOWN = {name.upper() for kind in (BridgeSettings, WorkerSettings) for name in kind.__struct_fields__}
WORKER = load(
    WorkerSettings, {"GENESYS_CLIENT_ID": "id", "GENESYS_CLIENT_SECRET": "secret", "OBJECT_KEY_SECRET": "k" * 16}
)

Helm = Callable[..., subprocess.CompletedProcess[str]]
Manifests = dict[tuple[str, str], dict[str, Any]]


@pytest.fixture
def helm() -> Helm:
    try:
        program = existing(installed.program("helm"), "Helm")
    except MissingServerError as error:
        skip_or_fail(str(error), os.environ)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)

    return run


@pytest.fixture
def manifests(helm: Helm) -> Manifests:
    rendered = helm("template", "p", str(CHART), *KUBERNETES, *EVERYTHING)
    assert rendered.returncode == 0, rendered.stderr
    found = [item for item in yaml.safe_load_all(rendered.stdout) if item]
    return {(item["kind"], item["metadata"]["name"]): item for item in found}


def pods(manifests: Manifests) -> list[dict[str, Any]]:
    return [item["spec"]["template"]["spec"] for (kind, _), item in manifests.items() if kind in {"Deployment", "Job"}]


@pytest.mark.real
def test_helm_finds_no_fault(helm: Helm) -> None:
    linted = helm("lint", "--strict", str(CHART), *KUBERNETES, *EVERYTHING)
    assert linted.returncode == 0, linted.stdout + linted.stderr


@pytest.mark.real
def test_the_chart_holds_what_a_deployment_needs(manifests: Manifests) -> None:
    assert {
        ("Deployment", "p-bridge"),
        ("Deployment", "p-worker"),
        ("Service", "p-bridge"),
        ("Ingress", "p-bridge"),
        ("Job", "p-topics"),
        ("ConfigMap", "p-bridge"),
        ("ConfigMap", "p-worker"),
        ("ConfigMap", "p-topics"),
        ("Secret", "p-secrets"),
        ("PodDisruptionBudget", "p-bridge"),
        ("PodDisruptionBudget", "p-worker"),
        ("NetworkPolicy", "p-bridge"),
        ("NetworkPolicy", "p-worker"),
    } == manifests.keys()


@pytest.mark.real
def test_every_pod_is_confined(manifests: Manifests) -> None:
    assert len(pods(manifests)) == 3
    for pod in pods(manifests):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        for container in pod["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["limits"]["memory"]
            assert not container["image"].endswith(":latest")


@pytest.mark.real
def test_no_service_of_the_cluster_becomes_a_setting(manifests: Manifests) -> None:
    assert all(pod["enableServiceLinks"] is False for pod in pods(manifests))


@pytest.mark.real
@pytest.mark.parametrize("component", ["bridge", "worker"])
def test_probes_ask_the_port_that_the_process_listens_on(manifests: Manifests, component: str) -> None:
    pod = manifests["Deployment", f"p-{component}"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    (port,) = container["ports"]
    environ = {entry["name"]: entry["value"] for entry in container["env"]}
    assert environ[{"bridge": "BRIDGE_PORT", "worker": "HEALTH_PORT"}[component]] == str(port["containerPort"])
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": port["name"]}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": port["name"]}


@pytest.mark.real
def test_the_pods_outlive_the_drain_of_their_process(manifests: Manifests) -> None:
    bridge = manifests["Deployment", "p-bridge"]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    worker = manifests["Deployment", "p-worker"]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    pre_stop_seconds = float(manifests["ConfigMap", "p-bridge"]["data"]["BRIDGE_PRE_STOP_SECONDS"])
    assert pre_stop_seconds > 0
    assert bridge > BridgeSettings().bridge_drain_seconds + pre_stop_seconds
    assert worker > WORKER.shutdown_seconds


@pytest.mark.real
def test_every_variable_of_the_chart_is_a_setting(manifests: Manifests) -> None:
    given = {name for (kind, _), item in manifests.items() if kind == "ConfigMap" for name in item["data"]}
    given |= manifests["Secret", "p-secrets"]["stringData"].keys()
    given |= {entry["name"] for pod in pods(manifests) for one in pod["containers"] for entry in one.get("env", [])}
    assert given <= KNOWN


@pytest.mark.real
def test_topics_are_made_before_the_pods(manifests: Manifests) -> None:
    job = manifests["Job", "p-topics"]
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["stream", "topics"]


@pytest.mark.real
@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "settings.S3_ENDPOINT must be set"),
        ([*S3, *GUARDED, "--set", "settings.S3_SECRET_KEY=hush"], "S3_SECRET_KEY is a secret"),
        (
            [*S3, *GUARDED, "--set", "bridge.settings.WEBHOOK_MESSAGES_CREDENTIALS=bearer:hush"],
            "WEBHOOK_MESSAGES_CREDENTIALS is a secret",
        ),
        ([*S3, *GUARDED, "--set", "bridge.ingress.enabled=true"], "bridge.ingress.host must be set"),
        (S3, "the bridge does not start"),
    ],
)
def test_a_wrong_value_is_named(helm: Helm, arguments: list[str], reason: str) -> None:
    rendered = helm("template", "p", str(CHART), *KUBERNETES, *arguments)
    assert rendered.returncode != 0
    assert reason in rendered.stderr


@pytest.mark.real
@pytest.mark.parametrize(
    "arguments",
    [
        GUARDED,
        ["--set", "secret.existingName=of-my-own"],
        ["--set", "secret.values.WEBHOOK_SECRET=hush"],
        ["--set", "bridge.settings.WEBHOOK_ALLOW_UNAUTHENTICATED=true"],
    ],
)
def test_a_bridge_that_would_start_is_rendered(helm: Helm, arguments: list[str]) -> None:
    rendered = helm("template", "p", str(CHART), *KUBERNETES, *S3, *arguments)
    assert rendered.returncode == 0, rendered.stderr
