"""`python -m tests.system.lifecycle`: real Kafka, real S3, three workers, and what becomes of every preview.

Files come, some again; conversations are held, released and erased, and that just as previews expire or files are under
way. Meanwhile workers are killed, ended and frozen, and come back with another time to live; clocks are 5 s apart. The
bucket is listed several times a second. The last line is one JSON object.
"""

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Final

import msgspec

from tests.system.chaos.__main__ import keep_logs
from tests.system.chaos.mayhem import Mayhem
from tests.system.chaos.settle import BUGS, logged, processes
from tests.system.chaos.windows import Windows
from tests.system.chaos.world import World
from tests.system.lifecycle.gathering import gathered, ttl_changes
from tests.system.lifecycle.judge import Judge, Violation
from tests.system.lifecycle.plan import Plan
from tests.system.lifecycle.script import mishaps, steps
from tests.system.lifecycle.settle import Settlement
from tests.system.lifecycle.traffic import Traffic
from tests.system.lifecycle.verdict import Verdict
from tests.system.lifecycle.watch import Watch
from tests.system.lifecycle.world import running
from tests.system.progress import say

TOLD: Final = 40
"""Violations that are told at most; the last line counts all."""


def run(plan: Plan, folder: Path) -> Verdict:
    """Do one run and judge it."""
    say(f"seed {plan.seed}: starting everything")
    with running(folder, plan) as world, Watch(world) as watch:
        return let_it_happen(plan, world, watch)


def let_it_happen(plan: Plan, world: World, watch: Watch) -> Verdict:
    """Send, order and break, then settle and judge."""
    began, windows = time.monotonic(), Windows()

    def progress() -> str:
        ledger = world.ledger
        expired = sum(one.state == "expired" for one in ledger.lifecycle)
        return (
            f"{len(traffic.sent)} files, {ledger.ended_count()} ended, {len(watch.sightings.now())} objects, {expired} "
            f"expired, {len(ledger.conversations)} answers to {len(traffic.ordered)} orders, {mayhem.kills} kills"
        )

    mayhem = Mayhem(world, windows, progress)
    with Traffic(world, steps(plan)) as traffic:
        mayhem.run(mishaps(plan), plan.seconds)
    say(f"the mishaps are over: {dict(mayhem.counts)}")
    settlement = Settlement(world, watch, traffic, mayhem)
    settlement.wait()
    history = gathered(world, watch, traffic, mayhem, windows)
    judge = Judge(history)
    violations = list(judge.violations())
    tell(violations, judge)
    return Verdict.of(
        history,
        judge,
        Counter(violation.kind for violation in violations),
        kills=mayhem.kills,
        stops=mayhem.counts["term-worker"],
        freezes=mayhem.counts["freeze-worker"],
        rebalances=watch.rebalances,
        ttl_changes=ttl_changes(mayhem.befallen, traffic.changes),
        crashes=mayhem.counts["crashes"],
        hangs=mayhem.counts["hangs"] + settlement.hangs,
        bugs=sum(logged(process, text) for process in processes(world) for text in BUGS),
        uncommitted=settlement.uncommitted(),
        seed=plan.seed,
        seconds=round(time.monotonic() - began, 1),
    )


def tell(violations: list[Violation], judge: Judge) -> None:
    """Tell what helps to find a cause."""
    for violation in violations[:TOLD]:
        say(f"{violation.kind}: {violation.seen}")
    for repeat in judge.repeats[:TOLD]:
        say(f"again: {repeat}")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.system.lifecycle", description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="of files, orders and mishaps; by default a new one")
    parser.add_argument("--seconds", type=float, default=120.0, help="how long mishaps happen")
    parser.add_argument("--previews", type=int, default=600, help="files that guests drop; each is stored in two sizes")
    parser.add_argument("--logs", type=Path, help="keep all logs of a run that fails below this folder")
    return parser.parse_args()


def main() -> int:
    """Run as the arguments say; exit 0 only when every promise was kept, and everything happened that was to."""
    given = arguments()
    seed = random.SystemRandom().randrange(2**16) if given.seed is None else given.seed
    wrongs: dict[str, int] = {"unfinished": 1}
    with tempfile.TemporaryDirectory(prefix="lifecycle-") as folder:
        try:
            verdict = run(Plan(seed, given.seconds, given.previews), Path(folder))
            wrongs = verdict.wrongs()
        finally:
            if wrongs:
                keep_logs(Path(folder), given.logs, f"{seed}: {wrongs}")
    sys.stdout.write(msgspec.json.encode(verdict).decode() + "\n")
    return 1 if wrongs else 0


if __name__ == "__main__":
    sys.exit(main())
