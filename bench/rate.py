"""How much of what Genesys allows is used, by one worker and by three: python -m bench.rate

Starts Apache Kafka, MinIO and the Genesys simulator with its real limit, 300 calls a minute for the OAuth client
whichever worker calls. Previews lie stored in [previews], spread evenly over its partitions. One worker posts for a
minute to warm up and for a minute that is measured; then two more join and the same is done again, the rebalance
counted in. Takes about 5 minutes; the last line is JSON, and the exit code is 1 when less than 95 % of the budget was
used or more than 1 % of the calls were answered 429.
"""

import io
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from confluent_kafka import Producer
from minio import Minio as MinioClient

from stream.kafka.clients import producer_config
from stream.messages import Attachment, Picture, Preview, encode
from stream.topics import Topics
from tests.harness.deployment import Deployment
from tests.harness.genesys.server import GenesysServer
from tests.harness.genesys.settings import SimulatorSettings
from tests.harness.kafka import RealKafka
from tests.harness.s3 import Minio
from tests.system.rig import create_topics

BUDGET_PER_MINUTE: Final = 300
WORKERS: Final = 3
PARTITIONS: Final = 12
CONVERSATIONS_PER_PARTITION: Final = 4
FILES_PER_CONVERSATION: Final = 45  # 2,160 previews: more than five minutes can post
MINUTE_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 0.25
LEAST_USE: Final = 0.95
MOST_LIMITED: Final = 0.01
BUCKET: Final = "previews"
PICTURE: Final = b"a picture of a few bytes"


@dataclass(frozen=True, slots=True)
class Reading:
    """The simulator's counters at one time; what was answered 429 is a call, too."""

    at: float
    calls: int
    limited: int
    messages: int

    def since(self, earlier: "Reading") -> dict[str, Any]:
        """Return what happened in between, a minute."""
        minutes = (self.at - earlier.at) / MINUTE_SECONDS
        posts, calls = self.messages - earlier.messages, self.calls - earlier.calls
        return {
            "posted_per_minute": round(posts / minutes, 1),
            "rate_limited": self.limited - earlier.limited,
            "calls_per_minute": round(calls / minutes, 1),
            "calls_per_post": round(calls / posts, 3) if posts else None,
        }


def main() -> int:
    with running() as (product, genesys):
        tell(f"{produce(product)} previews wait in {PARTITIONS} partitions")
        alone = measured(product, genesys, workers=1)
        joining = look(genesys)
        together = measured(product, genesys, workers=WORKERS)
        result = verdict(alone, together, joining, look(genesys), genesys)
    print(json.dumps(result))
    return 0 if within_reach(result) else 1


def verdict(
    alone: dict[str, Any], together: dict[str, Any], joining: Reading, end: Reading, genesys: GenesysServer
) -> dict[str, Any]:
    """Return what the last line says; `rate_limited` counts from the moment before the others joined."""
    limited, calls = end.limited - joining.limited, end.calls - joining.calls
    return {
        "workers": WORKERS,
        "budget_per_minute": BUDGET_PER_MINUTE,
        **together,
        "rate_limited": limited,
        "rate_limited_share": round(limited / calls, 4),
        "most_calls_in_a_minute": genesys.control.counters()["mostCallsInAMinute"],
        "one_worker": alone,
    }


def within_reach(result: dict[str, Any]) -> bool:
    """Tell whether enough of the budget was used, and hardly anything asked for beyond it."""
    used = result["calls_per_minute"] / BUDGET_PER_MINUTE
    return LEAST_USE <= used <= 1.0 and bool(result["rate_limited_share"] <= MOST_LIMITED)


def measured(product: Deployment, genesys: GenesysServer, workers: int) -> dict[str, Any]:
    """Bring as many workers to work, let a minute pass, and return what the next one holds."""
    for number in range(len(product.workers), workers):
        product.add_worker(wait=False)
        tell(f"worker {number} starts")
    for number in range(workers):
        product.wait_for_worker(number)
    follow(genesys, f"{workers} at work, warming up")
    before = look(genesys)
    follow(genesys, f"{workers} at work, measured")
    found = look(genesys).since(before)
    tell(f"{workers} at work: {json.dumps(found)}")
    return found


def follow(genesys: GenesysServer, what: str) -> None:
    """Let a minute pass, and tell three times how it goes."""
    began = look(genesys)
    told = 0
    while (passed := time.monotonic() - began.at) < MINUTE_SECONDS:
        if passed >= (told + 1) * MINUTE_SECONDS / 4:
            told += 1
            now = look(genesys)
            tell(f"{what}: {now.messages - began.messages} posts in {passed:.0f} s, 429s so far {now.limited}")
        time.sleep(LOOK_SECONDS)


def look(genesys: GenesysServer) -> Reading:
    """Read the simulator's counters; the token's endpoint is none of the API's."""
    counters = genesys.control.counters()
    calls = sum(counters["calls"].values()) - counters["calls"].get("token", 0)
    return Reading(time.monotonic(), calls, counters["statuses"].get("429", 0), counters["messages"])


def produce(product: Deployment) -> int:
    """Store and announce every preview, a conversation's on one partition; return how many they are."""
    producer = Producer(producer_config(product.kafka_settings, client_id="bench"))
    topic = Topics.of(product.kafka_settings).previews
    failures: list[object] = []
    previews = list(waiting())
    put([preview for _, preview in previews], product)
    for partition, preview in previews:
        key = preview.attachment.conversation_id.encode()
        producer.produce(topic, encode(preview), key, partition, on_delivery=lambda error, _: failures.append(error))
    producer.flush(MINUTE_SECONDS)
    if failures != [None] * len(previews):
        raise RuntimeError(f"Kafka did not take all previews: {[one for one in failures if one][:3]}")
    return len(previews)


def waiting() -> Iterator[tuple[int, Preview]]:
    """Yield previews with their partitions, in the order in which guests who all send at once would."""
    expires_at = time.time() + 86_400.0
    for file in range(FILES_PER_CONVERSATION):
        for number in range(PARTITIONS * CONVERSATIONS_PER_PARTITION):
            attachment = Attachment(
                event_id=f"event-{number}-{file}",
                conversation_id=f"conversation-{number}",
                attachment_url=f"https://files.example.com/{number}/{file}.png",
                file_name=f"{file}.png",
            )
            picture = Picture(width_px=300, height_px=200, size_bytes=len(PICTURE))
            key = f"{number}/{file}.webp"
            yield (
                number % PARTITIONS,
                Preview(attachment=attachment, object_key=key, picture=picture, expires_at=expires_at),
            )


def put(previews: list[Preview], product: Deployment) -> None:
    """Store an object for each preview: a worker looks whether it is there before it posts its address."""
    settings = product.settings
    client = MinioClient(
        settings["S3_ENDPOINT"].removeprefix("http://"),
        settings["S3_ACCESS_KEY"],
        settings["S3_SECRET_KEY"],
        secure=False,
        region=settings["S3_REGION"],
    )
    client.make_bucket(BUCKET)
    for preview in previews:
        client.put_object(BUCKET, preview.object_key, io.BytesIO(PICTURE), len(PICTURE))


@contextmanager
def running() -> Iterator[tuple[Deployment, GenesysServer]]:
    """Start everything but the workers; ended in order, whatever happens."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        kafka = stack.enter_context(RealKafka(folder))
        s3 = stack.enter_context(Minio(folder))
        limit = SimulatorSettings(calls_per_minute=BUDGET_PER_MINUTE, limit_by="client")
        genesys = stack.enter_context(GenesysServer(folder, limit))
        product = stack.enter_context(
            Deployment(
                folder,
                bootstrap_servers=kafka.bootstrap_servers,
                s3=s3,
                genesys_url=genesys.base_url,
                settings={
                    "GENESYS_CALLS_PER_MINUTE": str(BUDGET_PER_MINUTE),
                    "TOPIC_PARTITIONS": str(PARTITIONS),
                    "S3_BUCKET": BUCKET,
                    "RENDER_CHILDREN": "1",
                },
            )
        )
        create_topics(product)
        yield product, genesys


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
