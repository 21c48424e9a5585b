"""Python environments made from hashed lock files."""

import hashlib
import importlib.util
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from tools import cache
from tools.command import run

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "requirements"
PROJECT_LOCKS = (LOCKS / "build.txt", LOCKS / "dev.txt")
PROJECT_ENVIRONMENT = ROOT / ".venv"
STAMP = PROJECT_ENVIRONMENT / "stamp"
FONT = Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")  # the text of drawings and cards
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def missing_packages() -> list[str]:
    """Name what the environment and the product itself still need from Debian."""
    absent = {
        "python3-venv": importlib.util.find_spec("ensurepip") is None,
        "poppler-utils": shutil.which("pdftoppm") is None,
        "fonts-dejavu-core": sys.platform == "linux" and not FONT.exists(),
        "ca-certificates": sys.platform == "linux" and not CERTIFICATES.exists(),
    }
    return [package for package, is_absent in absent.items() if is_absent]


def is_prepared() -> bool:
    """Tell whether .venv is there and fits the lock, and no package is missing."""
    return _fits() and not missing_packages()


def prepare() -> None:
    """Make .venv from requirements/build.txt and dev.txt, unless it is there and fits the locks."""
    if not _fits():
        _make(PROJECT_ENVIRONMENT, PROJECT_LOCKS, "Python environment")
        STAMP.write_text(digest(PROJECT_ENVIRONMENT, *PROJECT_LOCKS))


def _fits() -> bool:
    return STAMP.exists() and STAMP.read_text() == digest(PROJECT_ENVIRONMENT, *PROJECT_LOCKS)


def isolated(name: str) -> Path:
    """Return an environment in the cache that holds requirements/NAME.txt alone."""
    lock = LOCKS / f"{name}.txt"
    path = cache.folder() / f"environment-{name}-{digest(cache.folder(), lock)[:12]}"
    stamp = path / "stamp"
    if not stamp.exists():  # environments hold their own path, so this one is made in place
        _make(path, [lock], f"environment for {name}")
        stamp.touch()
    return path


def digest(place: Path, *locks: Path) -> str:
    """Tell environments apart that cannot stand in for each other.

    A patch of Python is no reason for another one, and Debian may bring one along with the packages installed here.
    """
    parts = [f"{sys.implementation.cache_tag} {sys.executable} {place}", *(lock.read_text() for lock in locks)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _make(path: Path, locks: Sequence[Path], label: str) -> None:
    run(f"{label}: creation", [sys.executable, "-m", "venv", "--clear", path])
    pip: list[str | Path] = [path / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "--no-input"]
    # pyvips has no wheel. Without isolation it is built by what build.txt pins, not by what is newest that day.
    options = ["--only-binary", ":all:", "--no-binary", "pyvips", "--no-build-isolation", "--progress-bar", "off"]
    for lock in locks:
        command = [*pip, "install", "--require-hashes", *options, "--requirement", lock]
        run(f"{label}: packages of {lock.name}", command)
