"""Python environments made from hashed lock files."""

import hashlib
import importlib.util
import shutil
import sys
from pathlib import Path

from tools import cache, debian
from tools.command import run

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "requirements"
PROJECT_ENVIRONMENT = ROOT / ".venv"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def prepare_debian() -> None:
    """Install what the environment and the product itself need from Debian."""
    missing = {
        "python3-venv": importlib.util.find_spec("ensurepip") is None,
        "poppler-utils": shutil.which("pdftoppm") is None,
        "ca-certificates": sys.platform == "linux" and not CERTIFICATES.exists(),
    }
    debian.install([package for package, absent in missing.items() if absent])


def prepare() -> None:
    """Make .venv from requirements/dev.txt, unless it is there and fits the lock."""
    lock = LOCKS / "dev.txt"
    stamp = PROJECT_ENVIRONMENT / "stamp"
    if stamp.exists() and stamp.read_text() == _stamp(lock):
        return
    prepare_debian()
    _make(PROJECT_ENVIRONMENT, lock, "Python environment")
    stamp.write_text(_stamp(lock))


def isolated(name: str) -> Path:
    """Return an environment in the cache that holds requirements/NAME.txt alone."""
    lock = LOCKS / f"{name}.txt"
    path = cache.folder() / f"environment-{name}-{_stamp(lock)[:12]}"
    stamp = path / "stamp"
    if not stamp.exists():  # environments hold their own path, so this one is made in place
        prepare_debian()
        _make(path, lock, f"environment for {name}")
        stamp.touch()
    return path


def _stamp(lock: Path) -> str:
    return hashlib.sha256(f"{sys.version} {ROOT}\n{lock.read_text()}".encode()).hexdigest()


def _make(path: Path, lock: Path, label: str) -> None:
    run(f"{label}: creation", [sys.executable, "-m", "venv", "--clear", path])
    pip: list[str | Path] = [path / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "--no-input"]
    options = ["--require-hashes", "--only-binary", ":all:", "--progress-bar", "off"]
    run(f"{label}: packages", [*pip, "install", *options, "--requirement", lock])
