"""docker-compose.yml, the image and what is mounted into it, read as they are: no Docker engine is needed."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from agents.settings import WorkerSettings
from stream.settings import BridgeSettings, load
from stream.telemetry import Metrics

ROOT = Path(__file__).resolve().parents[2]
KNOWN = {name.upper() for kind in (BridgeSettings, WorkerSettings) for name in kind.__struct_fields__}
WORKER = load(
    WorkerSettings, {"GENESYS_CLIENT_ID": "id", "GENESYS_CLIENT_SECRET": "secret", "OBJECT_KEY_SECRET": "k" * 16}
)
OF_THE_IMAGE = {"PROBE_PORT"}
PRODUCT = ["topics", "bridge", "worker"]
SUFFIXES = re.compile(r"_(bucket|sum|count)$")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return found


def test_every_service_of_a_deployment_is_there(services: dict[str, Any]) -> None:
    assert {"kafka", "s3", "topics", "bridge", "worker", "prometheus", "grafana"} == services.keys()


def test_no_image_is_the_latest(services: dict[str, Any]) -> None:
    images = [service["image"] for service in services.values()]
    images += re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert len(images) == len(services) + 2
    for image in images:
        assert re.search(r":v?\d[\w.-]*\}?$", image), f"{image} has no version"


def test_one_variable_chooses_the_s3_server(services: dict[str, Any]) -> None:
    assert services["s3"]["image"].startswith("${S3_IMAGE:-versity/versitygw:")


@pytest.mark.parametrize("name", PRODUCT)
def test_our_containers_are_confined(services: dict[str, Any], name: str) -> None:
    assert services[name]["read_only"] is True
    assert services[name]["cap_drop"] == ["ALL"]
    assert services[name]["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", PRODUCT)
def test_every_variable_is_a_setting(services: dict[str, Any], name: str) -> None:
    assert services[name]["environment"].keys() <= KNOWN | OF_THE_IMAGE


@pytest.mark.parametrize("name", ["bridge", "worker"])
def test_containers_outlive_the_drain_of_their_process(services: dict[str, Any], name: str) -> None:
    seconds = int(services[name]["stop_grace_period"].removesuffix("s"))
    assert seconds > {"bridge": BridgeSettings().bridge_drain_seconds, "worker": WORKER.shutdown_seconds}[name]


def test_bridge_and_worker_wait_for_the_topics(services: dict[str, Any]) -> None:
    for name in ("bridge", "worker"):
        assert services[name]["depends_on"]["topics"] == {"condition": "service_completed_successfully"}


def test_the_image_runs_without_root_from_hashed_packages() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert "--require-hashes" in text
    assert re.search(r"^USER 10001:10001$", text, re.MULTILINE)
    assert re.search(r"^HEALTHCHECK ", text, re.MULTILINE)


def test_what_the_image_copies_is_let_through() -> None:
    text = (ROOT / "Dockerfile").read_text()
    let_through = {
        line.removeprefix("!").rstrip("/")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copied = re.findall(r"^COPY (?!--from)(\S+)", text, re.MULTILINE)
    assert set(copied) == let_through
    assert all((ROOT / path).exists() for path in copied)


def test_every_metric_that_is_asked_for_exists() -> None:
    known = {
        sample
        for metric in Metrics(CollectorRegistry()).registry.collect()
        for sample in (metric.name, f"{metric.name}_total")
    }
    alerts = yaml.safe_load((ROOT / "prometheus/alerts.yml").read_text())
    asked = [rule["expr"] for group in alerts["groups"] for rule in group["rules"]]
    dashboard = json.loads((ROOT / "grafana/dashboards/previews.json").read_text())
    asked += [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    names = {SUFFIXES.sub("", name) for text in asked for name in re.findall(r"\bpreviews_\w+", text)}
    assert names
    assert names <= known
