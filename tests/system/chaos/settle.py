"""The end of a run: waits, under deadlines, until nothing is under way any more, and counts."""

from collections import Counter
from collections.abc import Callable
from typing import Final

from tests.harness.deployment import is_ready
from tests.harness.processes import Process
from tests.system.chaos.guests import Guests
from tests.system.chaos.mayhem import Mayhem
from tests.system.chaos.plan import LATE_SECONDS, Plan
from tests.system.chaos.tally import Tally
from tests.system.chaos.verdict import Ends, Verdict
from tests.system.chaos.windows import Windows, message_ids, said_twice
from tests.system.chaos.world import World
from tests.system.progress import say, uncommitted, wait

END_SECONDS: Final = 180.0
"""Within which everything must have ended once nothing goes wrong any more: a read-back waits for 30 of them, a 429 of
Genesys for 60."""
READY_SECONDS: Final = 60.0
COMMIT_SECONDS: Final = 60.0
EXPIRY_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 1.0
BUGS: Final = ("job.bug", "worker.crashed")
TOLD: Final = 20


class Settlement:
    """What is left of a run once the mishaps are over."""

    def __init__(self, world: World, mayhem: Mayhem, guests: Guests) -> None:
        self._world = world
        self._mayhem = mayhem
        self._accepted = guests.accepted
        self.hangs = 0

    def wait(self, plan: Plan) -> None:
        """Wait for all ends, expiries and commits; what does not come in time is a hang."""
        self._await(self._ended, END_SECONDS, "ends")
        self._await(self._ready, READY_SECONDS, "readiness")
        wait(self._expired, plan.preview_seconds + EXPIRY_SECONDS, lambda: "previews are stored", LOOK_SECONDS)
        self._await(self._committed, COMMIT_SECONDS, "commits")

    def uncommitted(self) -> int:
        """Return how many records are not committed."""
        return sum(uncommitted(self._world.product.kafka_settings, *self._world.read_topics).values())

    def outlived(self) -> bool:
        """Tell whether a preview is still stored."""
        return self._world.has_previews()

    def _await(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        if not wait(condition, seconds, lambda: f"waiting for {what}: {self._missing()}", LOOK_SECONDS):
            say(f"gave up waiting for {what}")
            self.hangs += 1

    def _missing(self) -> str:
        missing = self._accepted - self._world.ledger.ended()
        return f"{len(missing)} have not ended: {sorted(missing)[:TOLD]}"

    def _ended(self) -> bool:
        self._mayhem.look_after()
        return self._accepted <= self._world.ledger.ended()

    def _ready(self) -> bool:
        product = self._world.product
        ports = [port for worker, port in zip(product.workers, product.health_ports, strict=True) if worker.running]
        return all(map(is_ready, [*ports, *product.bridge_ports]))

    def _committed(self) -> bool:
        return self.uncommitted() == 0

    def _expired(self) -> bool:
        return not self.outlived()


def judge(
    plan: Plan, world: World, *, guests: Guests, mayhem: Mayhem, windows: Windows, tally: Tally, settlement: Settlement
) -> Verdict:
    """Count what a settled run comes to."""
    accepted = guests.accepted
    ends = Ends.of(accepted, world.ledger.outcomes, world.ledger.dead_letters)
    conversations = world.genesys.control.conversations()
    lost = ends.lost(accepted, message_ids(conversations))
    copies = said_twice(conversations, windows.all, LATE_SECONDS)
    tell(world, ends, lost, guests)
    tally.look()
    sums = tally.sums()
    dead = ends.dead
    return Verdict(
        accepted=len(accepted),
        outcomes=len(ends.ends) - len(dead),
        dead_letters=len(dead),
        lost=len(lost),
        duplicates=copies.outside,
        duplicates_in_stop_windows=copies.inside,
        kills=mayhem.kills,
        ambiguous=sums["ambiguous"],
        suppressed=sums["suppressed"],
        seed=plan.seed,
        two_ends=len(ends.twofold),
        copies=ends.records - len(ends.ends),
        late=sums["late"],
        crashes=mayhem.counts["crashes"],
        hangs=mayhem.counts["hangs"] + settlement.hangs,
        bugs=sum(logged(process, text) for process in processes(world) for text in BUGS),
        uncommitted=settlement.uncommitted(),
        outlived=int(settlement.outlived()),
        mishaps=mayhem.mishaps,
        stop_window_seconds=round(sum(window.ended - window.began for window in windows.all), 1),
        seconds=plan.seconds,
    )


def tell(world: World, ends: Ends, lost: set[str], guests: Guests) -> None:
    """Tell what helps to find a cause, and what is worth a look but breaks no promise."""
    said = world.genesys.control.counters()
    say(f"ends: {dict(Counter(' '.join(sorted(map(' '.join, found))) for found in ends.ends.values()))}")
    say(f"lost: {sorted(lost)[:TOLD]}")
    say(f"two ends: {sorted(ends.twofold.items())[:TOLD]}")
    say(f"webhooks tried again: {guests.tries_again}")
    say(f"Genesys: calls {said['calls']}, statuses {said['statuses']}, faults {said['faults']}")
    for process in processes(world):
        say(f"{process.name}: {logged(process, 'Traceback (most recent call last)')} tracebacks in its log")


def processes(world: World) -> list[Process]:
    """Return bridges and workers."""
    return [*world.product.bridges, *world.product.workers]


def logged(process: Process, text: str) -> int:
    """Return how often a process has logged a text."""
    return process.log.read_text(errors="replace").count(text) if process.log.exists() else 0
