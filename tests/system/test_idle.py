"""What an idle worker may cost."""

import pytest

from tests.harness.kafka import RealKafka
from tests.harness.s3 import Minio
from tests.system.idle import measure
from tests.system.rig import running

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]


def test_an_idle_worker_is_ready_in_4_seconds_of_cpu_and_lives_in_200_mb(
    kafka: RealKafka, minio: Minio, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with running(tmp_path_factory.mktemp("idle"), kafka, minio) as rig:
        counted = measure(rig)
    assert counted["processes"] == 3  # the worker, its forkserver, one child
    assert counted["cpu_seconds"] <= 4
    assert counted["rss_bytes"] <= 200_000_000
