"""A minute in which everything that dashboards and alerts tell of happens once, each thing counted before the next."""

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Final

from tests.harness.deployment import get, post_json
from tests.harness.files import SAMPLES
from tests.harness.genesys.faults import Fault
from tests.harness.kafka import RealKafka
from tests.harness.prometheus import Prometheus
from tests.harness.s3 import Minio
from tests.system.rig import Rig, running

NAMESPACE: Final = "proof"
POST: Final = "post_to_communication"
SETTINGS: Final = {
    "PREVIEW_TTL_SECONDS": "8",
    "RENDER_TIMEOUT_SECONDS": "5",
    "WORKER_COMMIT_INTERVAL_SECONDS": "0.5",
}
SCRAPES: Final = 4


class Watched:
    """The product with everything around it, and a Prometheus that looks at it from the beginning on."""

    def __init__(self, rig: Rig, prometheus: Prometheus) -> None:
        self.rig = rig
        self.prometheus = prometheus
        self.began = time.time()

    def look(self) -> None:
        """Let Prometheus scrape all that runs now."""
        ports = {"bridge": self.rig.product.bridge_ports, "worker": self.rig.product.health_ports}
        self.prometheus.scrape(ports, NAMESPACE)

    def wait_for_scrapes(self, number: int = SCRAPES) -> None:
        """Wait until each target has been scraped so often since now that rates have what they need."""
        since = time.time()

        def scraped() -> bool:
            values = self.prometheus.values("min(up)", since, time.time(), 1)
            return len(values) >= number and min(values[-number:]) == 1

        self.rig.wait("scrapes", scraped)

    def count(self, name: str) -> float:
        """Return the sum of all samples of a name that bridges and workers show now."""
        ports = (*self.rig.product.bridge_ports, *self.rig.product.health_ports)
        text = "\n".join(get(f"http://127.0.0.1:{port}/metrics")[1].decode() for port in ports)
        samples = (line.rpartition(" ") for line in text.splitlines() if line.startswith(name))
        return sum(float(value) for sample, _, value in samples if sample.partition("{")[0] == name)

    def wait_for_more(self, name: str, than: float = 0) -> None:
        """Wait until a counter has passed a value."""
        self.rig.wait(f"{name} > {than:g}", lambda: self.count(name) > than)


@contextmanager
def watched(folder: Path, rules: Path) -> Iterator[Watched]:
    """Start Kafka, S3, Genesys, bridge, one worker and Prometheus.

    Raises:
        MissingServerError: One of them is not on this machine.
    """
    with (
        Prometheus(_folder(folder, "prometheus"), rules) as prometheus,
        RealKafka(_folder(folder, "kafka")) as kafka,
        Minio(_folder(folder, "s3")) as s3,
        running(_folder(folder, "observability"), kafka, s3, SETTINGS) as rig,
    ):
        made = Watched(rig, prometheus)
        rig.product.add_worker(wait=False)
        made.look()
        rig.product.wait_for_worker(0)
        made.wait_for_scrapes()
        yield made


def let_happen(made: Watched) -> None:
    """Let guests drop files while one thing after the other goes wrong, and wait until all has ended."""
    drops = _drops(made)
    next(drops)
    refused_webhook(made)
    foreign_record(made)
    next(drops)
    genesys_in_a_bad_mood(made)
    next(drops)
    storage_away(made)
    next(drops)
    second_worker(made)
    next(drops)
    kafka_away(made)
    made.rig.wait_for_ends(timeout_seconds=90)
    made.wait_for_more("previews_expired_total")
    next(drops)
    made.rig.wait_for_ends()
    made.wait_for_scrapes()


def _drops(made: Watched) -> Iterator[None]:
    """Drop a handful of files, good and bad, at each step."""
    for number in itertools.count():
        for sample in SAMPLES[:6]:
            name = f"{number}-{sample.name}"
            made.rig.drop(name, made.rig.files.add(name, sample.make(), sample.mime), mimeType=sample.mime)
        yield


def refused_webhook(made: Watched) -> None:
    """A sender says something that is no webhook."""
    status, _ = post_json(made.rig.product.webhook_url, {"event": "webchat:attachment", "data": {}})
    assert status == HTTPStatus.UNPROCESSABLE_ENTITY, f"a webhook without a conversation was answered {status}"


def foreign_record(made: Watched) -> None:
    """Somebody writes something else into [attachments]: a dead letter."""
    made.rig.produce(made.rig.topics.attachments, b"<xml>another team's record</xml>")
    made.wait_for_more("previews_dead_letters_total")


def genesys_in_a_bad_mood(made: Watched) -> None:
    """429, a token revoked (401), and a post whose answer is lost."""
    control = made.rig.genesys.control
    control.add_fault(Fault(kind="status", call=POST, status=429, retry_after_seconds=1, count=1))
    control.add_fault(Fault(kind="drop_after", call=POST, count=1))
    control.call("POST", "/tokens/revoke")
    event_ids = [made.rig.drop(f"mood-{number}.png", made.rig.files.url("0-photo.jpg")) for number in range(3)]
    made.wait_for_more("previews_post_ambiguous_total")
    made.rig.wait_for_ends(event_ids)


def storage_away(made: Watched) -> None:
    """S3 refuses connections until a record has been put off."""
    before = made.count("previews_retries_total")
    made.rig.s3.stop()
    made.rig.drop("away.png", made.rig.files.url("0-photo.jpg"))
    made.wait_for_more("previews_retries_total", before)
    made.rig.s3.start()


def second_worker(made: Watched) -> None:
    """Another worker joins: a rebalance for both."""
    before = made.count("previews_consumer_rebalances_total")
    made.rig.product.add_worker()
    made.look()
    made.wait_for_more("previews_consumer_rebalances_total", before + 1)
    made.wait_for_scrapes()


def kafka_away(made: Watched) -> None:
    """Kafka freezes until a webhook has been answered 503."""
    made.rig.kafka.pause()
    try:
        url = made.rig.files.url("0-photo.jpg")
        made.rig.wait(
            "a 503",
            lambda: made.rig.send("frozen.png", url, conversationId="frozen")[0] == HTTPStatus.SERVICE_UNAVAILABLE,
        )
    finally:
        made.rig.kafka.resume()


def _folder(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    return folder
