"""What is made of a played demo; playing it is for make check-deploy."""

from typing import Any

import msgspec
import pytest

from tests.deployment import registries
from tests.deployment.containers import LAYERS, USER, WRITABLE, judged
from tests.deployment.play import Report

PASSED = Report(
    commands={"stream topics": 0, "stream bridge --help": 0},
    healthy=["simulator", "bridge", "worker"],
    unhealthy_when_nothing_listens=True,
    identity=USER,
    writable=WRITABLE,
    version="0.1.0",
    layers={**dict.fromkeys(LAYERS, True), "network_namespace": False},
    allocator=["jemalloc: agents worker", "glibc: agents.rendering.forkserver 9"],
    databases=8,
    dropped=3,
    linked=3,
    worker_resident_bytes=1e8,
    worker_cpu_seconds=1.0,
    exit_codes={"worker": 0, "bridge": 0, "simulator": 0},
)


def test_a_demo_without_a_fault_passes() -> None:
    assert judged(PASSED, "0.1.0") == ()


@pytest.mark.parametrize(
    "changed",
    [
        {"commands": {"stream topics": 1}},
        {"healthy": ["simulator", "bridge"]},
        {"unhealthy_when_nothing_listens": False},
        {"identity": "0 0 [] 0000000000000000 1"},
        {"identity": "10001 10001 [] 00000000a80425fb 0"},
        {"writable": [*WRITABLE, "/app"]},
        {"version": "checkout"},
        {"layers": {**PASSED.layers, "seccomp": False}},
        {"layers": {}},
        {"allocator": ["glibc: agents worker", "glibc: agents.rendering.forkserver 9"]},
        {"allocator": ["jemalloc: agents worker", "jemalloc: agents.rendering.forkserver 9"]},
        {"allocator": ["jemalloc: agents worker"]},
        {"databases": 0},
        {"linked": 2},
        {"exit_codes": {"worker": -9, "bridge": 0, "simulator": 0}},
    ],
)
def test_each_fault_is_told(changed: dict[str, Any]) -> None:
    assert len(judged(msgspec.structs.replace(PASSED, **changed), "0.1.0")) == 1


def test_a_build_is_told_how_the_registries_are_reached_and_nothing_else() -> None:
    environ = {"https_proxy": "p", "PIP_INDEX_URL": "i", "PIP_FIND_LINKS": "/opt", "AWS_SECRET_ACCESS_KEY": "s"}
    given = registries.variables(environ)
    assert given.keys() == {"https_proxy", "PIP_INDEX_URL", "PIP_CONFIG_FILE", "APT_CONFIG", "PIP_CERT"}
