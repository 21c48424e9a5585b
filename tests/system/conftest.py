"""An S3 server that tests share; those that break one start their own."""

from collections.abc import Iterator

import pytest

from tests.conftest import started
from tests.harness.s3 import Minio


@pytest.fixture(scope="session")
def minio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Minio]:
    """MinIO itself."""
    with started(Minio, tmp_path_factory.mktemp("minio")) as server:
        yield server


@pytest.fixture
def own_minio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Minio]:
    """A MinIO that this test may stop and freeze."""
    with started(Minio, tmp_path_factory.mktemp("own-minio")) as server:
        yield server
