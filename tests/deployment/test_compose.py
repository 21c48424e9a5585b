"""docker-compose.yml as `docker compose` reads it, and what is mounted into its containers; no engine is needed."""

import os
import re
from pathlib import Path
from typing import Any

import pytest

from agents.settings import WorkerSettings
from stream.settings import BridgeSettings, load
from tests.deployment.container_files import COMPOSE_FILE, ROOT, RefusedError, compose
from tests.harness.servers import MissingServerError, skip_or_fail
from tools import servers as installed

DEMO = ROOT / "demo.env"
KNOWN = {name.upper() for kind in (BridgeSettings, WorkerSettings) for name in kind.__struct_fields__}
WORKER = load(
    WorkerSettings, {"GENESYS_CLIENT_ID": "id", "GENESYS_CLIENT_SECRET": "secret", "OBJECT_KEY_SECRET": "k" * 16}
)
OF_THE_IMAGE = {"PROBE_PORT"}
OF_COMPOSE = {"COMPOSE_PROFILES", "PRODUCT_ENV_FILE"}  # demo.env sets them for Compose itself
PRODUCT = ["topics", "bridge", "worker"]


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return loaded(DEMO)["services"]  # type: ignore[no-any-return]


def loaded(env_file: Path, file: Path = COMPOSE_FILE) -> dict[str, Any]:
    try:
        return compose(env_file, file=file)
    except MissingServerError as error:
        skip_or_fail(str(error), os.environ)


def credentials(folder: Path, *names: str) -> Path:
    env_file = folder / "some.env"
    env_file.write_text("".join(f"{name}=hush\n" for name in names))
    return env_file


@pytest.mark.real
def test_every_service_of_a_deployment_is_there(tmp_path: Path) -> None:
    found = loaded(credentials(tmp_path, "S3_ACCESS_KEY", "S3_SECRET_KEY"))["services"]
    assert {"kafka", "s3", "topics", "bridge", "worker", "prometheus", "grafana"} == found.keys()


@pytest.mark.real
def test_the_demo_adds_a_simulator_and_a_guest(services: dict[str, Any]) -> None:
    assert {"simulator", "guest"} < services.keys()
    for name in PRODUCT:
        assert services[name]["environment"]["GENESYS_BASE_URL"] == "http://simulator:8090"


@pytest.mark.real
def test_without_the_storage_keys_nothing_starts(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match=r"set S3_SECRET_KEY in \.env"):
        loaded(credentials(tmp_path, "S3_ACCESS_KEY"))


@pytest.mark.real
def test_what_the_specification_does_not_know_is_refused(tmp_path: Path) -> None:
    faulty = tmp_path / "docker-compose.yml"
    faulty.write_text(COMPOSE_FILE.read_text().replace("stop_grace_period: 35s", "stop_grace_time: 35s"))
    with pytest.raises(RefusedError, match="stop_grace_time"):
        loaded(DEMO, faulty)


@pytest.mark.real
def test_no_image_is_the_latest(services: dict[str, Any]) -> None:
    for service in services.values():
        assert re.search(r":v?\d[\w.-]*$", service["image"]), f"{service['image']} has no version"


@pytest.mark.real
def test_what_lasts_has_a_health_check(services: dict[str, Any]) -> None:
    once = {"topics", "guest"}
    of_the_image = {"bridge", "worker", "simulator"}
    for name, service in services.items():
        if name in once:
            assert service["healthcheck"] == {"disable": True}
        elif name not in of_the_image:
            assert service["healthcheck"]["test"]


@pytest.mark.real
def test_kafka_and_the_s3_server_are_those_that_the_tests_run_against(services: dict[str, Any]) -> None:
    assert f">{services['kafka']['image'].partition(':')[2]}<" in installed.KAFKA_POM.read_text()
    gateway = services["s3"]["image"]
    assert gateway.startswith("versity/versitygw:")
    assert installed.GO_PROGRAMS["versitygw"].endswith(f"@{gateway.partition(':')[2]}")


@pytest.mark.real
def test_one_variable_chooses_the_s3_server(tmp_path: Path) -> None:
    env_file = credentials(tmp_path, "S3_ACCESS_KEY", "S3_SECRET_KEY")
    env_file.write_text(f"{env_file.read_text()}S3_IMAGE=registry.internal/minio:2025-09-07\n")
    assert loaded(env_file)["services"]["s3"]["image"] == "registry.internal/minio:2025-09-07"


@pytest.mark.real
@pytest.mark.parametrize("name", [*PRODUCT, "simulator", "guest"])
def test_our_containers_are_confined(services: dict[str, Any], name: str) -> None:
    assert services[name]["read_only"] is True
    assert services[name]["cap_drop"] == ["ALL"]
    assert services[name]["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.real
@pytest.mark.parametrize("name", PRODUCT)
def test_every_variable_is_a_setting(services: dict[str, Any], name: str) -> None:
    assert services[name]["environment"].keys() <= KNOWN | OF_THE_IMAGE | OF_COMPOSE


@pytest.mark.real
@pytest.mark.parametrize("name", ["bridge", "worker"])
def test_containers_outlive_the_drain_of_their_process(services: dict[str, Any], name: str) -> None:
    seconds = int(services[name]["stop_grace_period"].removesuffix("s"))
    assert seconds > {"bridge": BridgeSettings().bridge_drain_seconds, "worker": WORKER.shutdown_seconds}[name]


@pytest.mark.real
def test_bridge_and_worker_wait_for_the_topics(services: dict[str, Any]) -> None:
    for name in ("bridge", "worker"):
        assert services[name]["depends_on"]["topics"]["condition"] == "service_completed_successfully"
