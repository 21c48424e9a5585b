"""`python -m tests.deployment.golden_files`: writes anew what is made from the chart and kept beside it.

That is what Helm renders for values/minimal.yaml, how every other file of values differs from it (manifest by manifest,
as a diff), the chart's README, values.schema.json and the list of the settings that are secrets.
"""

import difflib
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.deployment import values_schema
from tests.deployment.helm import CHART, GOLDEN, VALUES, combinations, template
from tests.harness.servers import existing
from tools import charts

# Those that hold a file of the chart change with it: tests/metrics_test.yaml and test_chart_resources.py look at them.
CARRIERS: Final = ("/templates/dashboards.yaml", "/templates/rules.yaml")
SCHEMA: Final = CHART / "values.schema.json"
SECRETS: Final = CHART / "files" / "secret-settings.json"
LEAST: Final = VALUES / "minimal.yaml"


def expected() -> dict[Path, str]:
    """Return every file as it should be.

    Raises:
        MissingServerError: Helm or helm-docs is not on this machine.
    """
    found = {SCHEMA: values_schema.text(), SECRETS: values_schema.secret_settings(), CHART / "README.md": readme()}
    least = rendered(LEAST)
    found[GOLDEN / LEAST.name] = "".join(least.values())
    others = [path for path in combinations() if path != LEAST]
    return found | {GOLDEN / f"{path.stem}.diff": difference(least, rendered(path)) for path in others}


def rendered(values: Path) -> dict[str, str]:
    """Return what Helm makes of these values, by kind and name, without what carries files.

    Raises:
        ValueError: Helm refuses the values.
    """
    said = template("--values", values)
    if said.refusal:
        raise ValueError(f"{values.name}: {said.refusal.strip()}")
    documents = [document for document in re.split(r"(?m)^(?=---$)", said.text) if document]
    return {_name(document): document for document in documents if not any(name in document for name in CARRIERS)}


def difference(least: dict[str, str], other: dict[str, str]) -> str:
    """Return how other manifests differ from the least, in their order; those that are the same are not mentioned."""
    names = [*other, *(name for name in least if name not in other)]
    changes = {name: _changes(least.get(name, ""), other.get(name, "")) for name in names}
    return "".join(f"=== {name}\n{text}" for name, text in changes.items() if text)


def _changes(before: str, after: str) -> str:
    if not after:
        return "gone\n"
    lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), n=1, lineterm=""))[2:]
    return "".join("@@\n" if line.startswith("@@") else f"{line}\n" for line in lines)


def _name(document: str) -> str:
    kind, name = (
        re.search(rf"(?m)^{key}: *(\S+)", document) for key in ("kind", r"(?:metadata:\n(?:  .*\n)*?)?  name")
    )
    return f"{kind[1] if kind else ''} {name[1] if name else ''}"


def readme() -> str:
    """Return the chart's README as helm-docs writes it."""
    program = existing(charts.docs(), "helm-docs")
    options = ["--dry-run", "--log-level", "error", "--sort-values-order", "file", "--skip-version-footer"]
    told = subprocess.run([program, *options], cwd=CHART, capture_output=True, text=True, check=True)
    return told.stdout.strip() + "\n"


def main() -> None:
    """Write all of them, and remove those that nothing makes any more."""
    SCHEMA.write_text(values_schema.text())  # first, for Helm refuses what it does not know
    SECRETS.write_text(values_schema.secret_settings())
    wanted = expected()
    GOLDEN.mkdir(exist_ok=True)
    for path, text in wanted.items():
        path.write_text(text)
    for stale in set(GOLDEN.iterdir()) - wanted.keys():
        stale.unlink()
    sys.stderr.write(f"{len(wanted)} files\n")


if __name__ == "__main__":
    main()
