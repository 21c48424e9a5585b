"""promtool, Prometheus's own judge of configuration and rules."""

import subprocess
from pathlib import Path
from typing import Final

from tests.harness.servers import existing
from tools import prometheus as installed

FOLDER: Final = Path(__file__).resolve().parents[2] / "prometheus"
CONFIG: Final = FOLDER / "prometheus.yml"
TESTS: Final = sorted((FOLDER / "tests").glob("*.yml"))


def config() -> str:
    """Check the configuration and the rules that it names; return what is wrong, "" for nothing."""
    return _run("check", "config", CONFIG)


def rules(path: Path) -> str:
    """Check a file of rules."""
    return _run("check", "rules", path)


def tested(path: Path) -> str:
    """Run a file of rules' tests."""
    return _run("test", "rules", path)


def _run(*arguments: str | Path) -> str:
    program = existing(installed.program("promtool"), "promtool")
    answer = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    return "" if answer.returncode == 0 else answer.stdout + answer.stderr
