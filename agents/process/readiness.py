"""What the worker waits for at its start: Kafka, the topics as the settings want them, and the storage."""

import asyncio
import logging
from typing import Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from agents.settings import WorkerSettings
from agents.storage import ObjectStore
from stream.failures import Failure
from stream.health import Health
from stream.kafka.clients import checked, client_config
from stream.topics import specs

logger = logging.getLogger(__name__)

CALL_SECONDS: Final = 2.0
PAUSE_SECONDS: Final = 1.0
STORAGE_PAUSE_SECONDS: Final = 2.0


async def topics_are_there(settings: WorkerSettings, health: Health) -> None:
    """Wait until every topic exists with the wanted number of partitions, telling readiness and log why not."""
    config = client_config(settings, client_id="worker-start") | {"log_level": 0}
    admin = checked(lambda: AdminClient(config))
    said = ""
    while reason := await asyncio.to_thread(_missing, admin, settings):
        health.not_ready("kafka", reason)
        if reason != said:
            logger.warning("worker.waiting_for_kafka", extra={"reason": reason})
            said = reason
        await asyncio.sleep(PAUSE_SECONDS)


async def storage_is_there(store: ObjectStore, health: Health) -> None:
    """Wait until the storage can be used, telling readiness and log why not; consuming need not wait for it."""
    while True:
        try:
            await store.start()
        except Failure as failure:
            health.not_ready("storage", str(failure))
            logger.warning("worker.waiting_for_storage", extra={"reason": str(failure)})
            await asyncio.sleep(STORAGE_PAUSE_SECONDS)
        else:
            health.ready("storage")
            return


def _missing(admin: AdminClient, settings: WorkerSettings) -> str:
    try:
        found = admin.list_topics(timeout=CALL_SECONDS).topics
    except KafkaException as error:
        return f"no answer from {settings.kafka_bootstrap_servers}: {error.args[0].str()}"
    counts = {spec.name: len(found[spec.name].partitions) if spec.name in found else 0 for spec in specs(settings)}
    wrong = [name for name, count in counts.items() if count != settings.topic_partitions]
    if not wrong:
        return ""
    listed = ", ".join(f"{name} has {counts[name] or 'none'}" for name in wrong)
    too_few = all(0 < count <= settings.topic_partitions for count in counts.values())
    remedy = " --grow` with all workers stopped" if too_few else "`"
    return f"TOPIC_PARTITIONS is {settings.topic_partitions} but {listed}: run `python -m stream topics{remedy}"
