"""`python -m tests.system.chaos`: real Kafka, real S3, two bridges, two to four workers, and everything goes wrong.

Bridges and workers are killed, ended and frozen; workers join and leave; brokers and S3 crash, end and freeze; Genesys
freezes, and answers 429, 500, 503, late, twice or not at all. Then every accepted event must have ended, nothing may
have been said twice, everything must be committed, and no preview may outlive its time. The last line is one JSON
object.
"""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path
from shutil import copytree

import msgspec

from tests.system.chaos.guests import Guests
from tests.system.chaos.mayhem import Mayhem
from tests.system.chaos.plan import CALLS_A_MINUTE, Plan
from tests.system.chaos.schedule import NAMES, schedule
from tests.system.chaos.settle import Settlement, judge
from tests.system.chaos.tally import Tally
from tests.system.chaos.verdict import Verdict
from tests.system.chaos.windows import Windows
from tests.system.chaos.world import LOGS, World, running
from tests.system.progress import say


def run(plan: Plan, folder: Path) -> Verdict:
    """Do one run and count."""
    say(f"seed {plan.seed}: starting everything")
    with running(folder, plan) as world, Tally(world.product) as tally:
        return let_it_happen(plan, world, tally)


def let_it_happen(plan: Plan, world: World, tally: Tally) -> Verdict:
    """Send and break, then settle and judge."""
    windows, product = Windows(), world.product
    guests = Guests(plan, bridges=product.webhook_urls, url=world.files.url, ended=world.ledger.ended_count)

    def progress() -> str:
        return (
            f"{guests.accepted_count()} accepted, {world.ledger.ended_count()} ended, {mayhem.kills} kills, "
            f"{sum(worker.running for worker in product.workers)} workers; {tally.sums()}"
        )

    mayhem = Mayhem(world, windows, progress)
    with guests:
        mayhem.run(schedule(plan.seed, plan.seconds, plan.only), plan.seconds)
    world.genesys.control.clear_faults()
    say(f"the mishaps are over: {dict(mayhem.counts)}")
    settlement = Settlement(world, mayhem, guests)
    settlement.wait(plan)
    return judge(plan, world, guests=guests, mayhem=mayhem, windows=windows, tally=tally, settlement=settlement)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.system.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="of files, mishaps and faults; by default a new one")
    parser.add_argument("--seconds", type=float, default=300.0, help="how long mishaps happen")
    parser.add_argument("--brokers", type=int, choices=(1, 3), default=1)
    parser.add_argument(
        "--budget", type=int, default=CALLS_A_MINUTE, help=f"calls a minute that Genesys allows: {CALLS_A_MINUTE}"
    )
    parser.add_argument(
        "--rate", type=float, default=0.0, help="most events a second; by default as many as are carried"
    )
    parser.add_argument(
        "--only", default="", help=f"mishaps, separated by commas; by default all of {', '.join(NAMES)}"
    )
    parser.add_argument("--logs", type=Path, help="keep all logs of a run that fails below this folder")
    return parser.parse_args()


def main() -> int:
    """Run as the arguments say; exit 0 only when every promise was kept."""
    given = arguments()
    seed = random.SystemRandom().randrange(2**16) if given.seed is None else given.seed
    only = frozenset(filter(None, given.only.split(",")))
    plan = Plan(seed, given.seconds, given.brokers, given.budget, given.rate, only)
    wrongs: dict[str, int] = {"unfinished": 1}
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        try:
            verdict = run(plan, Path(folder))
            wrongs = verdict.wrongs()
        finally:
            if wrongs:
                keep_logs(Path(folder), given.logs, f"{seed}: {wrongs}")
    sys.stdout.write(msgspec.json.encode(verdict).decode() + "\n")
    return 1 if wrongs else 0


def keep_logs(folder: Path, below: Path | None, why: str) -> None:
    """Copy the logs to where they stay, and tell where that is."""
    kept = Path(below or tempfile.gettempdir()) / f"chaos-logs-{time.strftime('%Y%m%d-%H%M%S')}"
    copytree(folder / LOGS, kept, ignore=lambda _, names: [name for name in names if not name.endswith(".log")])
    say(f"{why}; logs are kept in {kept}")


if __name__ == "__main__":
    sys.exit(main())
