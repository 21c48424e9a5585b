"""Everything that a run needs, in processes of its own: brokers, S3, Genesys, the guests' files, bridges, workers."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from minio import Minio as MinioClient

from stream.topics import Topics
from tests.harness.deployment import Deployment
from tests.harness.files_server import FilesProcess
from tests.harness.genesys.server import GenesysServer
from tests.harness.genesys.settings import SimulatorSettings
from tests.harness.kafka import KafkaCluster
from tests.harness.ledger import Ledger
from tests.harness.processes import Process
from tests.harness.s3 import Minio
from tests.system.chaos.guests import CLOSED_CONVERSATIONS, write_files
from tests.system.chaos.plan import FAULTS, Plan
from tests.system.rig import create_topics

FIRST_WORKERS: Final = 3
STATIC_WORKER: Final = 1
"""The number of the worker with a WORKER_MEMBER_ID; the others are dynamic members of the same group."""
LOGS: Final = "logs"


@dataclass(frozen=True)
class World:
    """What runs."""

    product: Deployment
    kafka: KafkaCluster
    s3: Minio
    genesys: GenesysServer
    files: FilesProcess
    ledger: Ledger

    @property
    def read_topics(self) -> tuple[str, ...]:
        """The topics that workers read."""
        return Topics.of(self.product.kafka_settings).read

    def add_worker(self) -> Process:
        """Start another worker without waiting for it."""
        number = len(self.product.workers)
        member = {"WORKER_MEMBER_ID": f"worker-{number}"} if number == STATIC_WORKER else {}
        return self.product.add_worker(wait=False, **member)

    def has_previews(self) -> bool:
        """Tell whether any preview is stored."""
        s3 = self.s3
        client = MinioClient(s3.address, s3.access_key, s3.secret_key, secure=False, region=s3.region)
        return any(True for _ in client.list_objects(self.product.settings["S3_BUCKET"], recursive=True))


@contextmanager
def running(folder: Path, plan: Plan) -> Iterator[World]:
    """Start everything, bridges and workers included."""
    folders = {name: folder / name for name in ("kafka", "s3", LOGS, "files")}
    for made in folders.values():
        made.mkdir()
    write_files(folders["files"], plan.seed)
    with ExitStack() as stack:
        kafka = stack.enter_context(KafkaCluster(folders["kafka"], plan.brokers))
        s3 = stack.enter_context(Minio(folders["s3"]))
        limit = SimulatorSettings(calls_per_minute=plan.budget, seed=plan.seed)
        genesys = stack.enter_context(GenesysServer(folders[LOGS], limit))
        files = stack.enter_context(FilesProcess(folders[LOGS], folders["files"]))
        product = stack.enter_context(
            Deployment(
                folders[LOGS],
                bootstrap_servers=kafka.bootstrap_servers,
                s3=s3,
                genesys_url=genesys.base_url,
                settings={**plan.product_settings(), **kafka.topic_settings()},
            )
        )
        create_topics(product)
        prepare(genesys)
        ledger = stack.enter_context(Ledger(product.kafka_settings))
        world = World(product, kafka, s3, genesys, files, ledger)
        start_product(world)
        yield world


def prepare(genesys: GenesysServer) -> None:
    """Let calls fail, and have some conversations that are over."""
    for fault in FAULTS:
        genesys.control.add_fault(fault)
    for conversation in CLOSED_CONVERSATIONS:
        genesys.control.call("PUT", f"/conversations/{conversation}")
        genesys.control.call("POST", f"/conversations/{conversation}/close")


def start_product(world: World) -> None:
    """Start two bridges, of which one has a spool, and three workers, and wait for all of them."""
    for _ in range(FIRST_WORKERS):
        world.add_worker()
    world.product.start_bridge()
    world.product.add_bridge(BRIDGE_SPOOL_DIR=str(world.product.folder / "bridge-1-spool"))
    for number in range(FIRST_WORKERS):
        world.product.wait_for_worker(number)
