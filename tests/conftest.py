"""Servers that tests share: one of each for the whole run. Tests that break a server start one of their own."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings

from tests.harness.kafka import EmbeddedKafka, RealKafka
from tests.harness.s3 import EmbeddedS3, Minio, S3Server, VersityGateway
from tests.harness.servers import MissingServerError, Server, skip_or_fail

ROOT = Path(__file__).parents[1]
ServerT = TypeVar("ServerT", bound=Server)

REAL_FIXTURES = {"kafka", "own_kafka", "real_s3", "full_s3"}
S3_SERVERS: dict[str, Callable[[Path], S3Server]] = {
    "moto": EmbeddedS3,
    "minio": Minio,
    "versitygw": VersityGateway,
}
REAL_S3 = [pytest.param(name, marks=pytest.mark.real) for name in ("minio", "versitygw")]
SMALL_DISK_BYTES = 2_000_000


def pytest_configure() -> None:
    """Judge properties by what they find, not by how long a busy machine takes to find it."""
    settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("busy")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that needs a real server, so that `make fast` can leave it out."""
    for item in items:
        if isinstance(item, pytest.Function) and REAL_FIXTURES & set(item.fixturenames):
            item.add_marker(pytest.mark.real)


@pytest.fixture(scope="session", autouse=True)
def _outside_the_checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let no .env of the checkout reach the settings under test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("nowhere"))
        patch.setenv("PYTHONPATH", str(ROOT))
        yield


@contextmanager
def started(make: Callable[[Path], ServerT], folder: Path) -> Iterator[ServerT]:
    """Run a server; when it is not on this machine, skip, and fail in CI."""
    try:
        server = make(folder)
    except MissingServerError as error:
        skip_or_fail(str(error), os.environ)
    with server:
        yield server


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealKafka]:
    """Apache Kafka itself."""
    with started(RealKafka, tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[RealKafka]:
    """An Apache Kafka that this test may stop, freeze and kill."""
    with started(RealKafka, tmp_path) as broker:
        yield broker


@pytest.fixture(scope="session")
def embedded_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    """librdkafka's mock cluster."""
    with started(EmbeddedKafka, tmp_path_factory.mktemp("embedded-kafka")) as broker:
        yield broker


@pytest.fixture(scope="session", params=["moto", *REAL_S3])
def s3(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """The double and every real S3 server in turn."""
    with started(S3_SERVERS[request.param], tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="session", params=REAL_S3)
def real_s3(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """Every real S3 server in turn."""
    with started(S3_SERVERS[request.param], tmp_path_factory.mktemp("real-s3")) as server:
        yield server


@pytest.fixture(params=["moto", *REAL_S3])
def own_s3(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[S3Server]:
    """An S3 server that this test may stop, freeze and kill."""
    with started(S3_SERVERS[request.param], tmp_path) as server:
        yield server


@pytest.fixture
def full_s3(tmp_path: Path) -> Iterator[S3Server]:
    """A real S3 server on a disk of 2 MB, for this test to fill."""

    def on_small_disk(folder: Path) -> VersityGateway:
        return VersityGateway(folder, SMALL_DISK_BYTES)

    with started(on_small_disk, tmp_path) as server:
        yield server
