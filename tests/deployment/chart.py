"""The chart's part of `make check-deploy`: lint, helm-unittest, every combination of values rendered and validated."""

import os
import subprocess
import tempfile
from pathlib import Path

import yaml

from tests.deployment import golden_files, restricted, validation
from tests.deployment.counts import Counts
from tests.deployment.helm import CHART, KUBERNETES, combinations, run, template
from tests.harness.servers import existing
from tools import charts


def check() -> Counts:
    """Look at everything; each manifest of each combination counts, and is invalid at most once."""
    whole = [unit_tests(), _files(), *map(_validated_by_program, charts.KUBERNETES_VERSIONS)]
    each = [look(values) for values in combinations() for look in (_linted, _combination)]
    return sum((*whole, *each), Counts())


def _combination(values: Path) -> Counts:
    said = template("--values", values)
    if said.refusal:
        return Counts(faults=(f"{values.name}: {said.refusal.strip()}",))
    manifests = said.manifests
    by_manifest = [validation.faults(manifest) for manifest in manifests]
    confined = [f"{name}: {fault}" for name, pod in restricted.pods(manifests) for fault in restricted.faults(pod)]
    told = [fault for faults in by_manifest for fault in faults] + confined
    invalid = sum(map(bool, by_manifest))
    return Counts(len(manifests), invalid, faults=tuple(f"{values.name}: {fault}" for fault in told))


def _validated_by_program(version: str) -> Counts:
    """Let kubernetes-validate itself look at each different manifest of Kubernetes' own kinds."""
    program = existing(charts.validate(), "kubernetes-validate")
    rendered = (manifest for values in combinations() for manifest in template("--values", values).manifests)
    different = {yaml.safe_dump(one) for one in rendered if not one["apiVersion"].startswith(validation.GROUPS)}
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write("---\n".join(sorted(different)))
        file.flush()
        command: list[str | Path] = [program, "--strict", "--kubernetes-version", version, file.name]
        told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    passed = [line for line in told.splitlines() if " passed for resource " in line]
    if len(passed) == len(different):
        return Counts()
    return Counts(faults=tuple(line for line in told.splitlines() if line not in passed) or ("it said nothing",))


def _linted(values: Path) -> Counts:
    told = run("lint", "--strict", CHART, *KUBERNETES, "--values", values)
    return Counts(faults=(f"{values.name}: {told.stdout.strip()}",) if told.returncode else ())


def unit_tests() -> Counts:
    """Run the chart's own suites by helm-unittest."""
    program = existing(charts.unittest(), "helm-unittest")
    with tempfile.TemporaryDirectory() as home:  # it keeps notes where Helm keeps its own
        environ = os.environ | {"HELM_DATA_HOME": home, "HELM_CONFIG_HOME": home, "HELM_CACHE_HOME": home}
        command: list[str | Path] = [program, "--strict", "--file", "tests/*_test.yaml", CHART]
        told = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    return Counts(faults=(f"helm-unittest: {told.stdout}{told.stderr}".strip(),) if told.returncode else ())


def _files() -> Counts:
    try:
        wanted = golden_files.expected()
    except ValueError:  # a refusal, which its combination tells
        return Counts()
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    return Counts(faults=tuple(f"{path.name} is out of date: make golden" for path in stale))
