"""What proves the Dockerfile and the Compose file without a Docker engine; cached outside.

hadolint comes from PyPI. `container-files` is ours: it asks BuildKit's, moby's and compose-go's own code what these
files mean. debootstrap makes the Debian tree in which the Dockerfile's steps are carried out.
"""

import hashlib
import os
import shutil
from pathlib import Path

from tools import cache, environment, servers
from tools.command import run

SOURCES = Path(__file__).parent / "container_files"


def missing_packages() -> list[str]:
    """Name what is still needed from Debian."""
    return [] if debootstrap() else ["debootstrap"]


def is_prepared() -> bool:
    """Tell whether everything is there."""
    return not missing_packages() and container_files().exists() and hadolint().exists()


def prepare() -> None:
    """Build and download whatever is missing."""
    cache.keep(hadolint().parent.name, _copy_hadolint)
    cache.keep(container_files().parent.name, _build)


def hadolint() -> Path:
    """Return the path of hadolint, which may not exist yet."""
    lock = (environment.LOCKS / "containers.txt").read_bytes()
    return cache.folder() / f"hadolint-{_digest(lock)}" / "hadolint"


def container_files() -> Path:
    """Return the path of `container-files`, which may not exist yet."""
    texts = [path.read_bytes() for path in sorted(SOURCES.iterdir())]
    return cache.folder() / f"container-files-{_digest(*texts)}" / "container-files"


def debootstrap() -> str | None:
    """Return the path of debootstrap, which lies where only root looks."""
    return shutil.which("debootstrap", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")


def _copy_hadolint(folder: Path) -> None:
    shutil.copy2(environment.isolated("containers") / "bin" / "hadolint", folder)


def _build(folder: Path) -> None:
    environ = os.environ | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly -buildvcs=false"}
    command: list[str | Path] = [servers.find_go(), "build", "-C", SOURCES, "-trimpath"]
    run("container-files, built from source (a minute, once)", [*command, "-o", folder / "container-files"], environ)


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\n".join(parts)).hexdigest()[:12]
