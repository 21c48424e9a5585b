"""What runs that take minutes tell on the way, and what they wait for."""

import sys
import time
from collections.abc import Callable
from typing import Final

from confluent_kafka import Consumer, KafkaException, TopicPartition

from stream.kafka.clients import client_config
from stream.settings import KafkaSettings

POLL_SECONDS: Final = 0.2
TELL_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 10.0


def say(text: str) -> None:
    """Tell progress on stderr; stdout ends with the result."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")


def wait(
    condition: Callable[[], bool],
    timeout_seconds: float,
    progress: Callable[[], str],
    poll_seconds: float = POLL_SECONDS,
) -> bool:
    """Wait for a condition, telling progress; return whether it came true."""
    deadline, told_at = time.monotonic() + timeout_seconds, 0.0
    while not condition():
        if time.monotonic() > deadline:
            return False
        if time.monotonic() - told_at > TELL_SECONDS:
            say(progress())
            told_at = time.monotonic()
        time.sleep(poll_seconds)
    return True


def uncommitted(settings: KafkaSettings, *topics: str) -> dict[tuple[str, int], int]:
    """Return how many records the group has not committed yet, of each partition that has any."""
    config = client_config(settings, client_id="lag") | {"group.id": settings.group, "log_level": 0}
    consumer = Consumer(config)
    try:
        places = [TopicPartition(topic, number) for topic in topics for number in range(settings.topic_partitions)]
        lags = {}
        for place in consumer.committed(places, timeout=ANSWER_SECONDS):
            first, end = consumer.get_watermark_offsets(place, timeout=ANSWER_SECONDS)
            lags[place.topic, place.partition] = end - max(place.offset, first)  # -1001 where nothing is committed
        return {place: lag for place, lag in lags.items() if lag > 0}
    except KafkaException as error:
        return {(error.args[0].str(), -1): 1}  # a broker that has just started is still loading its groups
    finally:
        consumer.close()
