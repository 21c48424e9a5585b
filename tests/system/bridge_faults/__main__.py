"""A broker that is killed again and again under load: python -m tests.system.bridge_faults [--restarts N]

Two bridges before one Apache Kafka, one of them with a spool; guests send to both without a pause and note every 2xx.
The broker gets SIGKILL, is away for a while, comes back. In the end the topics are read: what was answered 2xx must be
there. The last line is one JSON object; exit code 1 when something is lost, or an answer is late, or is neither 202
nor 503.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import urllib3

from tests.harness.kafka import RealKafka
from tests.harness.servers import MissingServerError
from tests.system.bridge import BridgeProcess, Load

RESTARTS: Final = 10
AWAY_SECONDS: Final = (0.0, 8.0)  # shorter and longer than a request waits
CALM_SECONDS: Final = 60.0
LONGEST_SECONDS: Final = 330.0
LATEST_ANSWER_SECONDS: Final = 10.0  # Genesys waits no longer
HELD: Final = "previews_bridge_spool_records"


class UnfinishedError(Exception):
    """The restarts took too long, so nothing can be said."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one bridge accepted, and what became of it."""

    accepted: int
    in_kafka: int
    copies: int
    refused: Mapping[int, int]
    broken: int
    slowest_seconds: float
    spooled: bool

    @property
    def lost(self) -> int:
        """Events behind a 2xx that are not in the topic."""
        return self.accepted - self.in_kafka

    @property
    def holds(self) -> bool:
        """Whether everything promised was kept, and enough was sent to say so."""
        in_time = self.slowest_seconds <= LATEST_ANSWER_SECONDS
        return self.accepted > 0 and self.lost == 0 and self.broken == 0 and set(self.refused) <= {503} and in_time


class Trial:
    """A bridge under load from `start` to `verdict`."""

    def __init__(self, broker: RealKafka, folder: Path, stack: ExitStack, *, spooled: bool) -> None:
        folder.mkdir()
        settings = {"BRIDGE_SPOOL_DIR": str(folder / "spool")} if spooled else {}
        self._spooled = spooled
        self.bridge = BridgeProcess(broker, folder, **settings)
        self.bridge.create_topics()
        stack.enter_context(self.bridge)
        self.bridge.wait_until_ready()
        self._load = Load(self.bridge)

    def start(self) -> None:
        """Begin to send."""
        self._load.__enter__()

    def stop(self) -> None:
        """Send no more; returns when the last answer is noted."""
        self._load.__exit__(None, None, None)

    def wait_for_more(self) -> None:
        """Wait until events are accepted again, by Kafka itself."""
        self._load.wait_for("accepted", CALM_SECONDS)
        self.bridge.process.wait_until(lambda: self._held() == 0, CALM_SECONDS)

    def verdict(self) -> Verdict:
        """Read the topic, once the spool is empty."""
        self.bridge.process.wait_until(lambda: self._held() == 0, CALM_SECONDS)
        found: Counter[str] = Counter()
        for (event_id, _, _), times in self.bridge.topic_holds().items():
            found[event_id] += times
        accepted = self._load.accepted
        return Verdict(
            accepted=len(accepted),
            in_kafka=len(accepted & found.keys()),
            copies=found.total() - len(found),
            refused=dict(self._load.refused),
            broken=self._load.broken,
            slowest_seconds=self._load.slowest_seconds,
            spooled=self._spooled,
        )

    def _held(self) -> float:
        text = urllib3.request("GET", self.bridge.url("/metrics"), timeout=10).data.decode()
        return float(next((line.split()[1] for line in text.splitlines() if line.startswith(f"{HELD} ")), 0))


def restart(broker: RealKafka, trials: Sequence[Trial], times: int, rng: random.Random) -> None:
    """Kill the broker and bring it back under load, again and again."""
    until = time.monotonic() + LONGEST_SECONDS
    for number in range(1, times + 1):
        for trial in trials:
            trial.wait_for_more()
        away_seconds = rng.uniform(*AWAY_SECONDS)
        broker.kill()
        time.sleep(away_seconds)
        broker.start()
        print(f"restart {number}: killed, away for {away_seconds:.1f} s and its own start", flush=True)
        if time.monotonic() > until:
            raise UnfinishedError(f"only {number} of {times} restarts in {LONGEST_SECONDS:g} s")
    for trial in trials:
        trial.wait_for_more()


def run(folder: Path, restarts: int, rng: random.Random) -> list[Verdict]:
    """Judge a bridge without and one with a spool, before the same broker."""
    with ExitStack() as stack:
        broker = stack.enter_context(RealKafka(folder))
        trials = [Trial(broker, folder / name, stack, spooled=name == "spool") for name in ("direct", "spool")]
        for trial in trials:
            trial.start()
            stack.callback(trial.stop)
        restart(broker, trials, restarts, rng)
        for trial in trials:
            trial.stop()
        return [trial.verdict() for trial in trials]


def told(verdicts: Sequence[Verdict], restarts: int) -> dict[str, Any]:
    """Return what the last line tells."""
    return {
        "accepted": sum(verdict.accepted for verdict in verdicts),
        "in_kafka": sum(verdict.in_kafka for verdict in verdicts),
        "lost": sum(verdict.lost for verdict in verdicts),
        "broker_restarts": restarts,
        "copies": sum(verdict.copies for verdict in verdicts),
        "slowest_answer_seconds": round(max(verdict.slowest_seconds for verdict in verdicts), 1),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run once and judge."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--restarts", type=int, default=RESTARTS)
    options.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    given = options.parse_args(arguments)
    print(f"seed {given.seed}", flush=True)
    try:
        with tempfile.TemporaryDirectory(prefix="bridge-faults-") as folder:
            verdicts = run(Path(folder), given.restarts, random.Random(given.seed))
    except (MissingServerError, UnfinishedError) as error:
        print(error, file=sys.stderr)
        return 1
    for verdict in verdicts:
        print(f"{'with' if verdict.spooled else 'without'} spool: {verdict}")
    print(json.dumps(told(verdicts, given.restarts)))
    return 0 if all(verdict.holds for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
