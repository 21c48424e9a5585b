"""Rules, dashboards and runbooks by Prometheus itself: promtool's judgement, and an answer to all that they ask.

Kafka, S3, bridge, workers and Prometheus are real, Genesys is simulated. What an alert compares with its limit must
have samples though the alert is quiet: an expression without any could never fire.
"""

import math
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.deployment import expressions, promtool
from tests.deployment.counts import Counts
from tests.deployment.expressions import Expression
from tests.deployment.incidents import Watched, let_happen, watched
from tests.harness.processes import ProcessError
from tests.harness.prometheus import Prometheus

STEP_SECONDS: Final = 1.0
RATE_INTERVAL: Final = "10s"
HEALTHY: Final = "ok"


def check() -> Counts:
    """Judge the files, then ask everything; a minute or two.

    Raises:
        MissingServerError: One of the servers is not on this machine.
    """
    with tempfile.TemporaryDirectory(prefix="observability-") as folder:
        try:
            return files() + answers(Path(folder))
        except (AssertionError, ProcessError) as error:
            return Counts(faults=(f"observability: {error}",))


def files() -> Counts:
    """Let promtool judge configuration, rules and their tests."""
    judged = {promtool.CONFIG: promtool.config(), expressions.RULES: promtool.rules(expressions.RULES)}
    judged |= {path: promtool.tested(path) for path in promtool.TESTS}
    wrong = {path: found for path, found in judged.items() if found}
    faults = tuple(f"{path.name}: {found.strip()}" for path, found in wrong.items())
    return Counts(manifests=len(judged), invalid=len(wrong), faults=faults)


def answers(folder: Path) -> Counts:
    """Let everything happen under Prometheus's eyes, then ask every expression for the time since."""
    with watched(folder, expressions.RULES) as made:
        let_happen(made)
        asked = list(dict.fromkeys(everything(made)))
        empty = [expression for expression in asked if not answered(made, expression)]
        faults = [f"no data: {expression.where}: {expression.text}" for expression in empty]
        return Counts(expressions=len(asked), empty=len(empty), faults=(*faults, *unhealthy(made.prometheus)))


def everything(made: Watched) -> Iterator[Expression]:
    """Yield what dashboards, rules and runbooks ask, Grafana's variables filled in."""
    so_far = f"{math.ceil(time.time() - made.began)}s"
    every = dict.fromkeys(("namespace", "job", "topic"), ".*")
    yield from expressions.of_dashboards({**every, "__rate_interval": RATE_INTERVAL, "__range": so_far})
    yield from expressions.of_rules()
    for expression in expressions.of_runbooks():
        yield from expression.operands()


def answered(made: Watched, expression: Expression) -> bool:
    """Tell whether there is at least one number among the answers since the beginning."""
    return bool(made.prometheus.values(expression.text, made.began, time.time(), STEP_SECONDS))


def unhealthy(prometheus: Prometheus) -> list[str]:
    """Name the rules that Prometheus could not evaluate."""
    return [f"rule {rule['name']}: {rule['lastError']}" for rule in prometheus.rules() if rule["health"] != HEALTHY]
