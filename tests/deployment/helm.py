"""Helm as it is, on this chart."""

import functools
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from tests.harness.servers import existing
from tools import charts, servers

CHART: Final = Path(__file__).resolve().parents[2] / "helm" / "attachment-previews"
VALUES: Final = Path(__file__).parent / "values"
GOLDEN: Final = Path(__file__).parent / "golden"
RELEASE: Final = "p"
KUBERNETES: Final = ("--kube-version", charts.KUBERNETES_VERSIONS[-1])

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Rendered:
    """What helm template said: manifests, or why there are none."""

    text: str
    refusal: str

    @property
    def manifests(self) -> list[Manifest]:
        """The manifests, in Helm's order; those of tests come last."""
        return [item for item in yaml.load_all(self.text, Loader=yaml.CSafeLoader) if item]


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run Helm to its end.

    Raises:
        MissingServerError: Helm is not on this machine.
    """
    program = existing(servers.program("helm"), "Helm")
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


@functools.cache
def template(*arguments: str | Path) -> Rendered:
    """Render the chart with these arguments."""
    ended = run("template", RELEASE, CHART, *KUBERNETES, *arguments)
    refused = ended.returncode != 0
    return Rendered("" if refused else ended.stdout, ended.stderr if refused else "")


def combinations() -> list[Path]:
    """Return the files of values, each a deployment that somebody could want."""
    return sorted(VALUES.glob("*.yaml"))
