"""`make demo`: the whole way on this machine, with an embedded broker, S3 and Genesys, in less than a minute.

Files are dropped into conversations by webhook; the table shows what became of each, demo-out/index.html and
demo-out/contact-sheet.png show them before and after. The last line is one JSON object. KEEP=1 leaves all running.
"""

import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from confluent_kafka import Producer

from stream.kafka.clients import producer_config
from stream.topics import Topics, specs
from tests.demo.contact_sheet import Exhibit, write_page, write_sheet
from tests.demo.table import table
from tests.harness.deployment import ROOT, Deployment, get
from tests.harness.files import SAMPLES
from tests.harness.files_server import FilesServer
from tests.harness.genesys.server import GenesysServer
from tests.harness.judge import said_twice
from tests.harness.kafka import EmbeddedKafka
from tests.harness.ledger import Ledger
from tests.harness.processes import ProcessError
from tests.harness.s3 import EmbeddedS3

OUT: Final = ROOT / "demo-out"
SHORT_LIFE_SECONDS: Final = 6
LONG_LIFE_SECONDS: Final = 3600
WAIT_SECONDS: Final = 40.0
FOREIGN_RECORD: Final = b"<xml>another team's record</xml>"


@dataclass
class Demo:
    """What runs, and what has been sent so far."""

    s3: EmbeddedS3
    product: Deployment
    files: FilesServer
    genesys: GenesysServer
    ledger: Ledger
    sent: dict[str, str] = field(default_factory=dict)
    """Event id → file name."""

    def drop(self, name: str, mime: str, data: bytes) -> str:
        """Let a guest drop a file; return its event id."""
        event = {
            "event": "webchat:attachment",
            "data": {
                "conversationId": f"conversation-{len(self.sent) % 3}",
                "attachmentUrl": self.files.add(name, data, mime),
                "fileName": name,
                "mimeType": mime,
            },
        }
        status, answer = self.product.send(event)
        if status != 202:
            raise SystemExit(f"the bridge answered {status} {answer} to {name}")
        event_id = str(answer["eventId"])
        self.sent[event_id] = name
        return event_id

    def wait(self, what: str, condition: Callable[[], bool]) -> None:
        """Wait for a condition, or end the demo with what it waited for."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise SystemExit(f"gave up waiting for {what}; the worker's last words:\n{self.last_words()}")
            time.sleep(0.05)

    def last_words(self) -> str:
        return self.product.workers[-1].last_words() if self.product.workers else ""


def say(text: str) -> None:
    print(text, flush=True)


@contextmanager
def running(folder: Path) -> Iterator[Demo]:
    """Start everything but the worker."""
    with ExitStack() as stack:
        kafka = stack.enter_context(EmbeddedKafka(_folder(folder, "kafka")))
        s3 = stack.enter_context(EmbeddedS3(_folder(folder, "s3")))
        genesys = stack.enter_context(GenesysServer(_folder(folder, "genesys")))
        files = stack.enter_context(FilesServer())
        settings = {
            "RETRY_BASE_SECONDS": "0.5",
            "TIMER_INTERVAL_SECONDS": "0.25",
            # The embedded broker lets a member join only when the one before it has timed out, though it had left.
            "WORKER_SESSION_TIMEOUT_SECONDS": "3",
            "WORKER_HEARTBEAT_SECONDS": "0.5",
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
        create_topics(product)
        product.start_bridge()
        ledger = stack.enter_context(Ledger(product.kafka_settings))
        yield Demo(s3, product, files, genesys, ledger)


def create_topics(product: Deployment) -> None:
    """Make the topics: the embedded broker knows no admin calls, it makes a topic when it is first asked for."""
    settings = product.kafka_settings
    asking = Producer(producer_config(settings, client_id="demo"))
    for spec in specs(settings):
        asking.list_topics(spec.name, timeout=10)


def send_foreign_record(demo: Demo) -> None:
    """Put a record into [attachments] that is not ours."""
    settings = demo.product.kafka_settings
    producer = Producer(producer_config(settings, client_id="another-team"))
    producer.produce(Topics.of(settings).attachments, key=b"their-key", value=FOREIGN_RECORD)
    producer.flush(10)


def drop_short_lived(demo: Demo) -> tuple[str, str]:
    """Drop a file while previews live for seconds; return its event id and the preview's address."""
    demo.product.add_worker(PREVIEW_TTL_SECONDS=str(SHORT_LIFE_SECONDS))
    event_id = demo.drop("short-lived.png", "image/png", next(s.make() for s in SAMPLES if s.name == "screenshot.png"))
    demo.wait("the short-lived preview", lambda: event_id in demo.ledger.ended())
    url = next(outcome.preview_url for outcome in demo.ledger.outcomes if outcome.event_id == event_id) or ""
    demo.product.workers[0].stop()  # its table's rows wait in Kafka for the next worker
    return event_id, url


def has_expired(demo: Demo, event_id: str) -> bool:
    """Tell whether the preview of an event is said to have expired."""
    return any(entry.state == "expired" and entry.event_id == event_id for entry in demo.ledger.lifecycle)


def drop_everything(demo: Demo) -> list[Exhibit]:
    """Drop every sample and follow each to its end."""
    demo.product.add_worker(PREVIEW_TTL_SECONDS=str(LONG_LIFE_SECONDS))
    exhibits = {}
    for sample in SAMPLES:
        data = sample.make()
        exhibits[demo.drop(sample.name, sample.mime, data)] = Exhibit(sample.name, data)
    send_foreign_record(demo)
    told: set[str] = set()

    def all_ended() -> bool:
        for event_id in (demo.ledger.ended() & exhibits.keys()) - told:
            told.add(event_id)
            say(f"  {len(told):2}/{len(exhibits)} {demo.sent[event_id]}")
        return len(told) == len(exhibits) and bool(demo.ledger.dead_letters)

    demo.wait("every outcome", all_ended)
    for outcome in demo.ledger.outcomes:
        if (exhibit := exhibits.get(outcome.event_id)) is not None:
            exhibit.outcome = outcome
            exhibit.preview = get(outcome.preview_url)[1] if outcome.preview_url else None
    return list(exhibits.values())


def count(demo: Demo, started: float) -> dict[str, Any]:
    """Count what became of everything that was sent."""
    ledger = demo.ledger
    by_outcome = {outcome.event_id: outcome.outcome for outcome in ledger.outcomes}
    outcomes = list(by_outcome.values())
    return {
        "sent": len(demo.sent) + 1,  # and the foreign record
        "linked": outcomes.count("linked"),
        "rejected": outcomes.count("rejected"),
        "dead_lettered": len({letter.origin for letter in ledger.dead_letters}),
        "expired": len({entry.event_id for entry in ledger.lifecycle if entry.state == "expired"}),
        "lost": len(demo.sent.keys() - ledger.ended()),
        "duplicates": said_twice(demo.genesys.control),
        "seconds": round(time.monotonic() - started, 1),
    }


def keep(demo: Demo) -> None:
    """Print the addresses and wait for Ctrl-C."""
    product = demo.product
    say(f"bridge     {product.webhook_url}")
    say(f"worker     http://127.0.0.1:{product.health_ports[-1]}/metrics")
    say(f"Genesys    {demo.genesys.base_url}/_sim/conversations")
    say(f"S3         {demo.s3.endpoint}")
    say(f"Kafka      {product.kafka_settings.kafka_bootstrap_servers}")
    say("Ctrl-C ends all of it.")
    with suppress(KeyboardInterrupt):
        signal.pause()


def run(folder: Path, started: float) -> int:
    """Run the demo; return its exit code."""
    say("Starting an embedded Kafka, S3 and Genesys, and the bridge …")
    with running(folder) as demo:
        say(f"One preview is to live for {SHORT_LIFE_SECONDS} seconds:")
        event_id, url = drop_short_lived(demo)
        was_there = get(url)[0] == 200
        say(f"  short-lived.png is linked, its preview {'answers' if was_there else 'FAILS'}; the worker restarts")
        say(f"Dropping {len(SAMPLES)} files into three conversations, and a foreign record into [attachments]:")
        exhibits = drop_everything(demo)
        demo.wait("the expiry", lambda: has_expired(demo, event_id))
        status, _ = get(url)
        say(f"  short-lived.png has expired, and its preview answers {status}\n")
        say(table(demo.ledger))
        write_page(OUT, exhibits)
        write_sheet(OUT / "contact-sheet.png", exhibits)
        say(f"\nBefore and after: {OUT.name}/index.html and {OUT.name}/contact-sheet.png")
        counted = count(demo, started)
        if os.environ.get("KEEP") == "1":
            keep(demo)
    say(json.dumps(counted, separators=(",", ":")))
    complete = counted["linked"] + counted["rejected"] + counted["dead_lettered"] == counted["sent"]
    return 0 if complete and was_there and status == 404 and not counted["lost"] and not counted["duplicates"] else 1


def _folder(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    return folder


def main() -> int:
    started = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="demo-") as folder:
        try:
            return run(Path(folder), started)
        except KeyboardInterrupt:
            say("Ended.")
            return 130
        except ProcessError as error:
            say(str(error))
            return 1


if __name__ == "__main__":
    sys.exit(main())
