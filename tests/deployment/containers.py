"""The image and the Compose file, as far as they can be tried without a Docker engine.

The Dockerfile is converted by BuildKit's own code, its steps are carried out in a Debian tree, and the Compose file's
demo is played with what came of it: see layers.py and play.py.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import msgspec

from tests.deployment import layers
from tests.deployment.container_files import COMPOSE_FILE, DOCKERFILE, ROOT, RefusedError, compose, plan
from tests.deployment.counts import Counts
from tests.deployment.play import DEMO, IMAGES, Images, Report
from tests.harness.servers import existing
from tools import cache
from tools import containers as installed
from tools.command import SetupError, say

PLAY_SECONDS: Final = 180
USER: Final = "10001 10001 [] 0000000000000000 1"
WRITABLE: Final = ["/data", "/tmp"]
LAYERS: Final = ("seccomp", "landlock", "capabilities", "no_new_privileges", "resource_limits")


def check() -> Counts:
    """Check both files, build the image's layers and play the demo; a missing real program is an error."""
    checked = Counts(manifests=2)
    for part in (_dockerfile, _compose_file):
        faults = part()
        checked += Counts(invalid=1 if faults else 0, faults=faults)
    return checked + Counts(faults=_played()) if checked.passed else checked


def _played() -> tuple[str, ...]:
    try:
        return judged(play(), plan().image.config.labels["org.opencontainers.image.version"])
    except (SetupError, subprocess.SubprocessError) as error:
        return (f"containers: {error}",)


def _dockerfile() -> tuple[str, ...]:
    found = subprocess.run(
        [existing(installed.hadolint(), "hadolint"), "--no-color", DOCKERFILE],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        warnings = plan().warnings
    except RefusedError as error:
        warnings = [str(error)]
    return (*(found.stdout + found.stderr).splitlines(), *(f"Dockerfile: {line}" for line in warnings))


def _compose_file() -> tuple[str, ...]:
    try:
        compose(DEMO)
    except RefusedError as error:
        return (f"{COMPOSE_FILE.name}: {error}",)
    return ()


def play(pictures: int = 3) -> Report:
    """Build what changed, and play the demo in namespaces of its own."""
    layers.require_namespaces()
    with cache.locked(), tempfile.TemporaryDirectory(prefix="play-") as name:
        builder = layers.Builder()
        images = Images(builder.build(plan("product")), builder.build(plan("simulator")))
        builder.forget_others()
        (Path(name) / IMAGES).write_bytes(msgspec.json.encode(images, enc_hook=str))
        namespaces = [*layers.NAMESPACES, "--net", "--mount-proc"]
        command = [*namespaces, sys.executable, "-m", "tests.deployment.play", name, str(pictures)]
        answer = subprocess.run(
            command, stdout=subprocess.PIPE, text=True, check=False, cwd=ROOT, env=os.environ, timeout=PLAY_SECONDS
        )
    say(answer.stdout.rstrip())
    answer.check_returncode()
    return msgspec.json.decode(answer.stdout.splitlines()[-1], type=Report)


def judged(report: Report, version: str) -> tuple[str, ...]:
    """Say what is not as it should be; `version` is the image's."""
    faults = {
        f"commands failed: {report.commands}": any(report.commands.values()),
        f"healthy: {report.healthy}": report.healthy != ["simulator", "bridge", "worker"],
        "the health check passes where nothing listens": not report.unhealthy_when_nothing_listens,
        f"user, groups, capabilities, no_new_privs: {report.identity}": report.identity != USER,
        f"writable: {report.writable}": report.writable != WRITABLE,
        f"previews_build_info says {report.version!r}, the label {version!r}": report.version != version,
        f"layers of confinement: {report.layers}": not all(report.layers.get(name) for name in LAYERS),
        "/data holds no tables in RocksDB": report.databases == 0,
        f"allocators: {report.allocator}": not _as_meant(report.allocator),
        f"{report.linked} of {report.dropped} pictures have a link": report.linked != report.dropped,
        f"exit codes: {report.exit_codes}": any(report.exit_codes.values()),
    }
    return tuple(f"containers: {fault}" for fault, is_there in faults.items() if is_there)


def _as_meant(allocators: list[str]) -> bool:
    """The worker has jemalloc, and rendering children, whose environment is their own, have not."""
    of_children = [line.startswith("glibc") for line in allocators if "forkserver" in line]
    return (
        any(line.startswith("jemalloc: agents worker") for line in allocators)
        and bool(of_children)
        and all(of_children)
    )
