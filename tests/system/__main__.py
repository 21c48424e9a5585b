"""`python -m tests.system`: real Kafka, real S3, two workers, one of them killed in the middle.

Sends attachments through the bridge, kills a worker with SIGKILL while its jobs are under way, and counts: every
accepted event must end in an outcome, and no preview may be said twice. The last line is one JSON object.
"""

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from stream.topics import Topics
from tests.harness.deployment import Deployment
from tests.harness.files_server import FilesServer
from tests.harness.genesys.server import GenesysServer
from tests.harness.genesys.settings import SimulatorSettings
from tests.harness.judge import said_twice
from tests.harness.kafka import RealKafka
from tests.harness.ledger import Ledger
from tests.harness.pictures import picture
from tests.harness.s3 import Minio
from tests.system.progress import say, uncommitted, wait

SENDERS = 8
OUTCOME_SECONDS = 300.0
QUIET_SECONDS = 60.0


@dataclass(frozen=True)
class Plan:
    """How a run goes; the same seed sends the same files to the same conversations."""

    attachments: int
    conversations: int
    kill_at: float
    calls_per_minute: int
    seed: int


@dataclass(frozen=True)
class Parts:
    """Everything that runs."""

    product: Deployment
    genesys: GenesysServer
    files: FilesServer
    ledger: Ledger


@contextmanager
def running(folder: Path, plan: Plan) -> Iterator[Parts]:
    """Start Kafka, S3, Genesys, bridge and two workers."""
    with ExitStack() as stack:
        say("starting Apache Kafka, MinIO and the Genesys simulator")
        kafka = stack.enter_context(RealKafka(_folder(folder, "kafka")))
        s3 = stack.enter_context(Minio(_folder(folder, "s3")))
        limit = SimulatorSettings(calls_per_minute=plan.calls_per_minute, seed=plan.seed)
        genesys = stack.enter_context(GenesysServer(_folder(folder, "genesys"), limit))
        files = stack.enter_context(FilesServer())
        settings = {
            "GENESYS_CALLS_PER_MINUTE": str(plan.calls_per_minute),
            "WORKER_SESSION_TIMEOUT_SECONDS": "10",
            "WORKER_HEARTBEAT_SECONDS": "2",
        }
        product = stack.enter_context(
            Deployment(
                _folder(folder, "product"),
                bootstrap_servers=kafka.bootstrap_servers,
                s3=s3,
                genesys_url=genesys.base_url,
                settings=settings,
            )
        )
        code, printed = product.run("stream", "topics")
        if code:
            raise SystemExit(f"stream topics ended with {code}: {printed}")
        say("starting the bridge and two workers")
        product.start_bridge()
        product.add_worker(wait=False)
        product.add_worker(wait=False)
        for number in range(2):
            product.wait_for_worker(number)
        ledger = stack.enter_context(Ledger(product.kafka_settings))
        yield Parts(product, genesys, files, ledger)


def _folder(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    return folder


def send_all(parts: Parts, plan: Plan) -> set[str]:
    """Send every attachment through the bridge; return the event ids that it accepted."""
    rng = random.Random(plan.seed)
    seeds = [rng.randrange(2**32) for _ in range(plan.attachments)]

    def send(number: int) -> str | None:
        name, data, mime = picture(random.Random(seeds[number]))
        url = parts.files.add(f"{number}-{name}", data)
        payload = {
            "event": "webchat:attachment",
            "data": {
                "conversationId": f"conversation-{seeds[number] % plan.conversations}",
                "attachmentUrl": url,
                "fileName": name,
                "mimeType": mime,
            },
        }
        status, answer = parts.product.send(payload)
        return str(answer["eventId"]) if status == 202 else None

    with ThreadPoolExecutor(SENDERS) as senders:
        return {event_id for event_id in senders.map(send, range(plan.attachments)) if event_id is not None}


def all_is_committed(parts: Parts) -> bool:
    """Tell whether the group has committed everything, so that no copy is still under way."""
    topics = Topics.of(parts.product.kafka_settings)
    return not uncommitted(parts.product.kafka_settings, topics.attachments, topics.previews)


def run(plan: Plan, folder: Path) -> dict[str, int]:
    """Do one run and count."""
    with running(folder, plan) as parts, ThreadPoolExecutor(1) as background:
        ledger, product = parts.ledger, parts.product
        sending = background.submit(send_all, parts, plan)
        reached = plan.attachments * plan.kill_at
        wait(lambda: len(ledger.ended()) >= reached, OUTCOME_SECONDS, lambda: f"{len(ledger.ended())} outcomes")
        say(f"SIGKILL to worker 0 at {len(ledger.ended())} outcomes")
        product.workers[0].kill()
        accepted = sending.result()
        say(f"{len(accepted)} accepted")
        wait(lambda: accepted <= ledger.ended(), OUTCOME_SECONDS, lambda: f"{len(ledger.ended())} outcomes")
        wait(lambda: all_is_committed(parts), QUIET_SECONDS, lambda: "waiting for the last commits")
        counters = parts.genesys.control.counters()
        say(f"Genesys: {counters['statuses']}, {counters['messages']} messages")
        say(f"outcomes with copies: {len(ledger.outcomes)}, dead letters: {len(ledger.dead_letters)}")
        outcomes = {outcome.event_id for outcome in ledger.outcomes} & accepted
        return {
            "accepted": len(accepted),
            "outcomes": len(outcomes),
            "lost": len(accepted - ledger.ended()),
            "duplicates": said_twice(parts.genesys.control),
        }


def main() -> int:
    """Run as the arguments say; exit 0 only when nothing was lost and nothing said twice."""
    parser = argparse.ArgumentParser(prog="python -m tests.system", description=__doc__)
    parser.add_argument("--attachments", type=int, default=300)
    parser.add_argument("--conversations", type=int, default=60)
    parser.add_argument("--kill-at", type=float, default=0.4, help="share of the outcomes at which a worker is killed")
    parser.add_argument("--calls-per-minute", type=int, default=900, help="what Genesys allows; really 300")
    parser.add_argument("--seed", type=int, default=None, help="of files and conversations; by default a new one")
    parser.add_argument("--logs", type=Path, help="keep all logs in this new folder")
    given = parser.parse_args()
    seed = random.SystemRandom().randrange(2**16) if given.seed is None else given.seed
    plan = Plan(given.attachments, given.conversations, given.kill_at, given.calls_per_minute, seed)
    say(f"seed {seed}")
    with tempfile.TemporaryDirectory(prefix="system-") as temporary:
        folder = given.logs or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        counted = run(plan, folder)
    sys.stdout.write(json.dumps(counted, separators=(",", ":")) + "\n")
    right = counted["accepted"] == counted["outcomes"] == plan.attachments
    return 0 if right and not counted["lost"] and not counted["duplicates"] else 1


if __name__ == "__main__":
    sys.exit(main())
