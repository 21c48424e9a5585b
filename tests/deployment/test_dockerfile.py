"""The Dockerfile, as BuildKit reads it and hadolint judges it; carrying it out is for make check-deploy."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from stream.settings import BridgeSettings
from tests.deployment.container_files import DOCKERFILE, ROOT, Plan, RefusedError, context, plan
from tests.harness.servers import MissingServerError, existing, skip_or_fail
from tools import containers as installed
from tools.environment import LOCKS

PRODUCT = ("agents/", "requirements/", "stream/")


def planned(target: str = "", **build_args: str) -> Plan:
    try:
        return plan(target, build_args)
    except MissingServerError as error:
        skip_or_fail(str(error), os.environ)


@pytest.fixture(scope="module")
def product() -> Plan:
    return planned("product")


def variables(image: Plan) -> dict[str, str]:
    return dict(entry.split("=", 1) for entry in image.image.config.env)


@pytest.mark.real
def test_hadolint_finds_no_fault() -> None:
    try:
        program = existing(installed.hadolint(), "hadolint")
    except MissingServerError as error:
        skip_or_fail(str(error), os.environ)
    found = subprocess.run([program, "--no-color", DOCKERFILE], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


@pytest.mark.real
def test_docker_build_check_finds_no_fault(product: Plan) -> None:
    assert product.warnings == []


@pytest.mark.real
def test_a_faulty_dockerfile_is_told(tmp_path: Path) -> None:
    faulty = tmp_path / "Dockerfile"
    faulty.write_text("FROM debian:12.12-slim as base\nENV name value\n")
    try:
        assert len(plan(dockerfile=faulty).warnings) == 2
        faulty.write_text("FROM debian:12.12-slim\nCOPIE a b\n")
        with pytest.raises(RefusedError, match="unknown instruction: COPIE"):
            plan(dockerfile=faulty)
    except MissingServerError as error:
        skip_or_fail(str(error), os.environ)


@pytest.mark.real
def test_the_product_is_what_is_built_by_default(product: Plan) -> None:
    assert planned().image == product.image


@pytest.mark.real
def test_the_image_runs_without_root_and_keeps_tables_in_its_volume(product: Plan) -> None:
    image = product.image.config
    assert image.user == "10001:10001"
    assert image.volumes.keys() == {"/data"}
    assert variables(product)["WORKER_DATA_DIR"] == "/data"
    assert variables(product)["WORKER_TABLE_STORE"] == "rocksdb"
    assert re.search(r"^rocksdict==", (LOCKS / "runtime.txt").read_text(), re.MULTILINE)


@pytest.mark.real
def test_the_health_check_asks_the_port_that_the_bridge_listens_on(product: Plan) -> None:
    image = product.image.config
    assert image.healthcheck is not None
    assert image.healthcheck.test[0] == "CMD"  # there is no shell in between to outlive its deadline
    assert variables(product)["PROBE_PORT"] == str(BridgeSettings().bridge_port)
    assert f"{BridgeSettings().bridge_port}/tcp" in image.exposed_ports


@pytest.mark.real
def test_packages_are_locked_by_hash_and_never_compiled_here(product: Plan) -> None:
    installs = [step.op.exec.meta.args[-1] for step in product.steps if step.op.exec and "pip install" in str(step.op)]
    assert len(installs) == 1
    for command in installs[0].split("&&"):
        if "pip install" in command:
            assert "--require-hashes" in command
            assert "--only-binary :all:" in command


@pytest.mark.real
def test_one_argument_is_the_version_everywhere(product: Plan) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    labels = product.image.config.labels
    assert labels["org.opencontainers.image.version"] == project["version"]
    assert labels["org.opencontainers.image.description"] == project["description"]
    other = planned("product", VERSION="9.8.7", REVISION="abc")
    assert other.image.config.labels["org.opencontainers.image.version"] == "9.8.7"
    assert other.image.config.labels["org.opencontainers.image.revision"] == "abc"
    assert "VERSION=9.8.7" in str([step.op.exec.meta.env for step in other.steps if step.op.exec])


@pytest.mark.real
def test_every_stage_stands_on_one_debian_of_a_named_version(product: Plan) -> None:
    sources = {step.op.source.identifier for step in product.steps if step.op.source}
    assert sources == {"docker-image://docker.io/library/debian:12.12-slim", "local://context"}


@pytest.mark.real
def test_nothing_of_the_tests_is_in_the_product(product: Plan) -> None:
    copied = [
        action.copy.src for step in product.steps if step.op.file for action in step.op.file.actions if action.copy
    ]
    assert copied
    assert not [source for source in copied if "tests" in source]


@pytest.mark.real
def test_the_simulator_is_a_target_without_the_product() -> None:
    simulator = planned("simulator")
    copied = [
        action.copy.src for step in simulator.steps if step.op.file for action in step.op.file.actions if action.copy
    ]
    assert "/tests/harness/genesys" in copied
    assert not {"/stream", "/agents"} & set(copied)
    assert simulator.image.config.cmd[0] == "tests.harness.genesys"


@pytest.mark.real
def test_the_build_is_sent_what_it_copies_and_nothing_else(product: Plan) -> None:
    files = context()
    plans = [*product.steps, *planned("simulator").steps]
    sources = {
        action.copy.src.strip("/")
        for step in plans
        if step.op.file
        for action in step.op.file.actions
        if action.copy and (ROOT / action.copy.src.strip("/")).exists()
    }
    assert all(any(f"{name}/".startswith(f"{source}/") for source in sources) for name in files)
    assert all(any(f"{name}/".startswith(f"{source}/") for name in files) for source in sources)
    assert not [name for name in files if "__pycache__" in name or name.endswith(".env")]
    assert {name.partition("/")[0] + "/" for name in files} == {*PRODUCT, "tests/"}
