"""Prometheus and promtool as Debian builds them, unpacked beside the system and never installed; cached outside."""

import hashlib
import os
import shutil
from pathlib import Path

from tools import cache
from tools.command import SetupError, run

PACKAGE = "prometheus=2.42*"  # Debian 12's; the oldest that the rules are tried with
PROGRAMS = ("prometheus", "promtool")


def missing_packages() -> list[str]:
    """Name what is needed from Debian to fetch it: nothing that a Debian is without."""
    return []


def is_prepared() -> bool:
    """Tell whether both programs are there."""
    return all(program(name).exists() for name in PROGRAMS)


def prepare() -> None:
    """Download and unpack what is missing."""
    cache.keep(_folder().name, _unpack)


def program(name: str) -> Path:
    """Return the path of `prometheus` or `promtool`, which may not exist yet."""
    return _folder() / name


def _folder() -> Path:
    return cache.folder() / f"prometheus-{hashlib.sha256(PACKAGE.encode()).hexdigest()[:12]}"


def _unpack(folder: Path) -> None:
    if shutil.which("apt-get") is None:
        raise SetupError("missing on this machine: Debian's apt-get, which fetches Prometheus")
    if os.geteuid() == 0:
        run("Debian's package lists", ["apt-get", "update", "-q"])
    download: list[str | Path] = ["sh", "-c", 'cd "$0" && apt-get download -q "$1"', folder, PACKAGE]
    run("Prometheus, Debian's package", download)
    (package,) = folder.glob("prometheus_*.deb")
    run("Prometheus: unpacking", ["dpkg", "-x", package, folder / "root"])
    for name in PROGRAMS:
        shutil.move(folder / "root" / "usr" / "bin" / name, folder / name)
    shutil.rmtree(folder / "root")
    package.unlink()
