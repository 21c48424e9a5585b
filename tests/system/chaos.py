"""`python -m tests.system.chaos`: real Kafka, real S3, two to three workers, and everything goes wrong at random.

Workers are killed, ended, frozen beyond their session, join and leave; Kafka, S3 and Genesys are away for a while;
Genesys answers 429, 500, 503, late, twice or not at all. Then every accepted event must have ended, nothing may have
been said twice, everything must be committed, and no preview may outlive its time. The last line is one JSON object.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree
from typing import Final

from minio import Minio as MinioClient

from tests.harness.genesys.faults import Fault
from tests.harness.judge import said_twice
from tests.harness.kafka import RealKafka
from tests.harness.pictures import picture
from tests.harness.processes import Process
from tests.harness.s3 import Minio
from tests.system.mayhem import Mayhem
from tests.system.progress import say, uncommitted, wait
from tests.system.rig import Rig, running

SENDERS: Final = 4
PICTURES: Final = 8
SENDING_SECONDS: Final = 60.0
"""How long a sender of a webhook tries again, as Genesys does."""
END_SECONDS: Final = 90.0
"""Within which everything must have ended once nothing goes wrong any more; a read-back takes 35 of them."""
COMMIT_SECONDS: Final = 60.0
EXPIRY_SECONDS: Final = 60.0
ACCEPTED: Final = 202
SETTINGS: Final = {
    "GENESYS_TIMEOUT_SECONDS": "3",
    "GENESYS_CALLS_PER_MINUTE": "3000",
    "RETRY_MAX_ATTEMPTS": "60",
    "WORKER_DRAIN_SECONDS": "15",
}
FAULTS: Final = (
    Fault(kind="status", status=429, retry_after_seconds=1, probability=0.01),
    Fault(kind="status", status=429, probability=0.002),
    Fault(kind="status", status=500, probability=0.02),
    Fault(kind="status", status=500, commits=True, probability=0.02),
    Fault(kind="status", status=503, probability=0.01),
    Fault(kind="status", status=503, retry_after_seconds=2, probability=0.01),
    Fault(kind="drop_before", probability=0.02),
    Fault(kind="drop_after", probability=0.02),
    Fault(kind="slow", seconds=4, probability=0.01),
    Fault(kind="slow_after", seconds=4, probability=0.01),
)
LATE: Final = "link.late"


@dataclass(frozen=True)
class Plan:
    """How a run goes."""

    seed: int
    seconds: float
    attachments: int
    only: frozenset[str]

    @property
    def preview_seconds(self) -> float:
        """How long a preview lives: most expire after the mishaps, some during them."""
        return max(30.0, self.seconds * 0.75)


@contextmanager
def chaos_rig(folder: Path, plan: Plan) -> Iterator[Rig]:
    """Start everything, two workers included."""
    with ExitStack() as stack:
        parts = {name: folder / name for name in ("kafka", "s3", "chaos")}
        for part in parts.values():
            part.mkdir(parents=True)
        kafka = stack.enter_context(RealKafka(parts["kafka"]))
        s3 = stack.enter_context(Minio(parts["s3"]))
        settings = {**SETTINGS, "PREVIEW_TTL_SECONDS": str(plan.preview_seconds)}
        rig = stack.enter_context(running(parts["chaos"], kafka, s3, settings))
        for number in range(2):
            rig.product.add_worker(wait=number == 1)
        rig.genesys.control.change(seed=plan.seed)
        yield rig


class Guests:
    """Drop files over some time; try again as long as the bridge does not take them."""

    def __init__(self, rig: Rig, plan: Plan) -> None:
        rng = random.Random(plan.seed)
        self._rig = rig
        self._pictures = [picture(rng) for _ in range(PICTURES)]
        self._times = sorted(rng.uniform(0, plan.seconds) for _ in range(plan.attachments))
        self._conversations = [rng.randrange(plan.attachments // 5 + 1) for _ in self._times]
        self._start = time.monotonic()

    def drop_all(self, threads: ThreadPoolExecutor) -> Future[None]:
        """Begin; the future ends with the last file."""
        numbers = iter(range(len(self._times)))

        def some() -> None:
            for number in numbers:
                self._drop(number)

        def all_of_them() -> None:
            for sender in [threads.submit(some) for _ in range(SENDERS)]:
                sender.result()

        return threads.submit(all_of_them)

    def _drop(self, number: int) -> None:
        time.sleep(max(0.0, self._start + self._times[number] - time.monotonic()))
        name, data, mime = self._pictures[number % PICTURES]
        url = self._rig.files.add(f"{number}-{name}", data[:200] if number % 20 == 0 else data)
        conversation = f"conversation-{self._conversations[number]}"
        facts = {"conversationId": conversation, "mimeType": mime, "eventId": f"event-{number}"}
        give_up = time.monotonic() + SENDING_SECONDS
        while self._rig.send(name, url, **facts)[0] != ACCEPTED and time.monotonic() < give_up:
            time.sleep(0.5)


def run(plan: Plan, folder: Path) -> dict[str, int]:
    """Do one run and count."""
    say(f"seed {plan.seed}: starting everything")
    with chaos_rig(folder, plan) as rig, ThreadPoolExecutor(SENDERS + 1) as threads:
        mayhem = Mayhem(rig, random.Random(plan.seed), only=plan.only)
        for fault in FAULTS:
            rig.genesys.control.add_fault(fault)
        dropping = Guests(rig, plan).drop_all(threads)
        mayhem.run(plan.seconds)
        dropping.result()
        rig.genesys.control.clear_faults()
        say(f"the mishaps are over: {dict(mayhem.counts)}")
        return settle(rig, mayhem)


def settle(rig: Rig, mayhem: Mayhem) -> dict[str, int]:
    """Wait until nothing is under way any more, and count."""
    accepted, ledger = set(rig.accepted), rig.ledger
    topics = [rig.topics.attachments, rig.topics.previews, rig.topics.lifecycle]

    def ended() -> bool:
        mayhem.look_after()
        return accepted <= ledger.ended()

    def lag() -> dict[tuple[str, int], int]:
        return uncommitted(rig.product.kafka_settings, *topics)

    in_time = wait(
        ended, END_SECONDS, lambda: f"{len(accepted & ledger.ended())} of {len(accepted)} ended, lag {lag()}"
    )
    wait(lambda: not lag(), COMMIT_SECONDS, lambda: f"lag {lag()}")
    ttl_seconds = float(rig.product.settings["PREVIEW_TTL_SECONDS"])
    wait(lambda: not previews(rig), ttl_seconds + EXPIRY_SECONDS, lambda: f"{len(previews(rig))} previews are stored")
    wait(lambda: not lag(), COMMIT_SECONDS, lambda: f"lag {lag()}")  # of what the expiry brought
    tell(rig)
    workers = rig.product.workers
    return {
        "accepted": len(accepted),
        "outcomes": len({outcome.event_id for outcome in ledger.outcomes} & accepted),
        "lost": len(accepted - ledger.ended()),
        "duplicates": said_twice(rig.genesys.control),
        "late": sum(_count(worker, LATE) for worker in workers),
        "kills": mayhem.counts["kill"],
        "crashes": mayhem.counts["crashes"],
        "hangs": mayhem.counts["hangs"] + (not in_time),
        "bugs": sum(_count(worker, "job.bug") for worker in workers),
        "uncommitted": sum(lag().values()),
        "outlived": len(previews(rig)),
        "dead_letters": len({letter.event_id for letter in ledger.dead_letters}),
    }


def previews(rig: Rig) -> list[str]:
    """Return the keys of all stored previews."""
    client = MinioClient(
        rig.s3.address, access_key=rig.s3.access_key, secret_key=rig.s3.secret_key, secure=False, region=rig.s3.region
    )
    return [str(found.object_name) for found in client.list_objects(rig.product.settings["S3_BUCKET"], recursive=True)]


def tell(rig: Rig) -> None:
    """Tell what is worth a look but breaks no promise."""
    ledger = rig.ledger
    copies = Counter(outcome.event_id for outcome in ledger.outcomes)
    say(f"copies of outcomes: {sum(copies.values()) - len(copies)}")
    ends: set[tuple[str, str]] = {(outcome.event_id, outcome.outcome) for outcome in ledger.outcomes}
    ends |= {(letter.event_id, letter.reason) for letter in ledger.dead_letters}
    say(f"events that ended in two ways: {len(ends) - len({event_id for event_id, _ in ends})}")
    say(f"dead letters: {dict(Counter(letter.reason for letter in ledger.dead_letters))}")
    say(f"missing: {sorted(set(rig.accepted) - ledger.ended())[:20]}")
    say(f"Genesys: {rig.genesys.control.counters()}")
    for number, worker in enumerate(rig.product.workers):
        if worker.running:
            samples = ("process_resident_memory_bytes", "previews_due_rows", "previews_late_posts_total")
            say(f"{worker.name}: { {sample: rig.metric(sample, number) for sample in samples} }")


def _count(process: Process, text: str) -> int:
    return process.log.read_text(errors="replace").count(text) if process.log.exists() else 0


def is_right(counted: dict[str, int]) -> bool:
    """Tell whether every promise was kept."""
    kept = not any(counted[name] for name in ("lost", "crashes", "hangs", "bugs", "uncommitted", "outlived"))
    return kept and counted["duplicates"] <= counted["late"]


def main() -> int:
    """Run as the arguments say; exit 0 only when every promise was kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.system.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="of files, mishaps and faults; by default a new one")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long mishaps happen")
    parser.add_argument("--attachments", type=int, default=200)
    parser.add_argument("--only", default="", help="mishaps, separated by commas; by default all")
    parser.add_argument("--logs", type=Path, help="keep all logs of a run that fails below this folder")
    given = parser.parse_args()
    seed = random.SystemRandom().randrange(2**16) if given.seed is None else given.seed
    only = frozenset(filter(None, given.only.split(",")))
    plan, right = Plan(seed, given.seconds, given.attachments, only), False
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        try:
            counted = run(plan, Path(folder))
            right = is_right(counted)
        finally:
            if not right:
                kept = Path(given.logs or tempfile.gettempdir()) / f"chaos-{seed}-{time.strftime('%H%M%S')}"
                copytree(Path(folder) / "chaos", kept)
                say(f"logs are kept in {kept}")
    sys.stdout.write(json.dumps(counted, separators=(",", ":")) + "\n")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
