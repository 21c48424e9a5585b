"""Everything that a run needs, in processes of its own: Kafka, S3, Genesys, the files, a bridge, three workers."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from tests.harness.deployment import Deployment
from tests.harness.files_server import FilesProcess
from tests.harness.genesys.server import GenesysServer
from tests.harness.genesys.settings import SimulatorSettings
from tests.harness.kafka import KafkaCluster
from tests.harness.ledger import Ledger
from tests.harness.s3 import Minio
from tests.system.chaos.guests import write_files
from tests.system.chaos.world import World
from tests.system.lifecycle.plan import SETTINGS, WORKERS, Plan
from tests.system.rig import create_topics

LOGS: Final = "logs"


@contextmanager
def running(folder: Path, plan: Plan) -> Iterator[World]:
    """Start everything."""
    folders = {name: folder / name for name in ("kafka", "s3", LOGS, "files")}
    for made in folders.values():
        made.mkdir()
    write_files(folders["files"], plan.seed)
    with ExitStack() as stack:
        kafka = stack.enter_context(KafkaCluster(folders["kafka"]))
        s3 = stack.enter_context(Minio(folders["s3"]))
        genesys = stack.enter_context(GenesysServer(folders[LOGS], SimulatorSettings(calls_per_minute=0)))
        files = stack.enter_context(FilesProcess(folders[LOGS], folders["files"]))
        product = stack.enter_context(
            Deployment(
                folders[LOGS],
                bootstrap_servers=kafka.bootstrap_servers,
                s3=s3,
                genesys_url=genesys.base_url,
                settings={**SETTINGS, **kafka.topic_settings()},
            )
        )
        create_topics(product)
        ledger = stack.enter_context(Ledger(product.kafka_settings, previews=True))
        for worker in WORKERS:
            product.add_worker(worker.clock_seconds, wait=False, **worker.settings())
        product.start_bridge()
        for number in range(len(WORKERS)):
            product.wait_for_worker(number)
        yield World(product, kafka, s3, genesys, files, ledger)
