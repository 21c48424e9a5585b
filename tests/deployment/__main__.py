"""`python -m tests.deployment`: the chart, and whatever else is deployed, by real tools without a cluster.

The last line is JSON: how many manifests were validated and were not valid, how many expressions were asked of a
Prometheus and answered nothing. Exit code 0 only when every part found nothing wrong.
"""

import json
import sys
import time
from types import ModuleType
from typing import Final

from tests.deployment import chart, containers, observability
from tests.deployment.counts import Counts
from tests.harness.servers import MissingServerError

PARTS: Final[tuple[ModuleType, ...]] = (chart, containers, observability)


def main() -> int:
    """Run all parts, also after one that found something; return the exit code."""
    total = sum((_run(part) for part in PARTS), Counts())
    for fault in total.faults:
        print(f"FAULT {fault}")
    figures = {name: getattr(total, name) for name in ("manifests", "invalid", "expressions", "empty")}
    print(json.dumps(figures, separators=(",", ":")))
    return 0 if total.passed else 1


def _run(part: ModuleType) -> Counts:
    name, began = part.__name__.rpartition(".")[2], time.monotonic()
    try:
        counts: Counts = part.check()
    except MissingServerError as error:
        counts = Counts(faults=(f"{name}: {error}",))
    seconds = time.monotonic() - began
    print(f"{name}: {counts.manifests} manifests, {counts.expressions} expressions, {seconds:.0f} s", flush=True)
    return counts


if __name__ == "__main__":
    sys.exit(main())
