"""Python environments made from hashed lock files."""

import hashlib
import importlib.util
import shutil
import sys
from pathlib import Path

from tools import cache
from tools.command import run

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "requirements"
PROJECT_ENVIRONMENT = ROOT / ".venv"
STAMP = PROJECT_ENVIRONMENT / "stamp"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def missing_packages() -> list[str]:
    """Name what the environment and the product itself still need from Debian."""
    absent = {
        "python3-venv": importlib.util.find_spec("ensurepip") is None,
        "poppler-utils": shutil.which("pdftoppm") is None,
        "ca-certificates": sys.platform == "linux" and not CERTIFICATES.exists(),
    }
    return [package for package, is_absent in absent.items() if is_absent]


def is_prepared() -> bool:
    """Tell whether .venv is there and fits the lock, and no package is missing."""
    return _fits() and not missing_packages()


def prepare() -> None:
    """Make .venv from requirements/dev.txt, unless it is there and fits the lock."""
    if not _fits():
        _make(PROJECT_ENVIRONMENT, LOCKS / "dev.txt", "Python environment")
        STAMP.write_text(digest(LOCKS / "dev.txt", PROJECT_ENVIRONMENT))


def _fits() -> bool:
    return STAMP.exists() and STAMP.read_text() == digest(LOCKS / "dev.txt", PROJECT_ENVIRONMENT)


def isolated(name: str) -> Path:
    """Return an environment in the cache that holds requirements/NAME.txt alone."""
    lock = LOCKS / f"{name}.txt"
    path = cache.folder() / f"environment-{name}-{digest(lock, cache.folder())[:12]}"
    stamp = path / "stamp"
    if not stamp.exists():  # environments hold their own path, so this one is made in place
        _make(path, lock, f"environment for {name}")
        stamp.touch()
    return path


def digest(lock: Path, place: Path) -> str:
    """Tell environments apart that cannot stand in for each other.

    A patch of Python is no reason for another one, and Debian may bring one along with the packages installed here.
    """
    python = f"{sys.implementation.cache_tag} {sys.executable}"
    return hashlib.sha256(f"{python} {place}\n{lock.read_text()}".encode()).hexdigest()


def _make(path: Path, lock: Path, label: str) -> None:
    run(f"{label}: creation", [sys.executable, "-m", "venv", "--clear", path])
    pip: list[str | Path] = [path / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "--no-input"]
    options = ["--require-hashes", "--only-binary", ":all:", "--progress-bar", "off"]
    run(f"{label}: packages", [*pip, "install", *options, "--requirement", lock])
