"""Brokers: Apache Kafka as it is, and librdkafka's mock cluster for what makes no claim about delivery."""

import re
import signal
import subprocess
import sys
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Final, Protocol

from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient

from tests.harness.processes import Process, ProcessError, accepts_connections, free_port
from tests.harness.servers import Server, existing
from tools import servers as installed

QUICK_JVM: Final = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Dlog4j2.level=WARN")
FORMAT_SECONDS: Final = 60.0
ANSWER_SECONDS: Final = 1.0

PROPERTIES: Final = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
num.network.threads=2
num.io.threads=4
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
log.cleaner.dedupe.buffer.size=16777216
"""


class Broker(Protocol):
    """What tests may expect of every broker."""

    @property
    def bootstrap_servers(self) -> str:
        """Host and port for clients."""

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...


class RealKafka(Server):
    """One Apache Kafka broker and controller (KRaft) on free ports; topics are never created by themselves.

    `stop` and `start` keep the port and the data; `kill` is a crash.

    Raises:
        MissingServerError: Java 17 or Kafka's jars are not on this machine.
    """

    def __init__(self, folder: Path) -> None:
        self._java = existing(installed.find_java(), f"Java {installed.LEAST_JAVA}")
        self._jars = existing(installed.kafka_jars(), "Apache Kafka")
        self._properties = folder / "server.properties"
        self._data = folder / "data"
        self._port = free_port()
        super().__init__(Process("Kafka", self._command("kafka.Kafka", self._properties), folder / "kafka.log"))

    @property
    def bootstrap_servers(self) -> str:
        """Host and port for clients."""
        return f"127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start; the first time on formatted, empty storage."""
        if not self._data.exists():
            self._format()
        super().start()

    def ready(self) -> bool:
        """Tell whether the broker answers."""
        return accepts_connections(self._port) and answers(self.bootstrap_servers)

    def _format(self) -> None:
        text = PROPERTIES.format(port=self._port, controller_port=free_port(), data=self._data)
        self._properties.write_text(text)
        cluster_id = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        tool = self._command("kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", self._properties)
        answer = subprocess.run(
            [*tool, "--standalone"], capture_output=True, text=True, timeout=FORMAT_SECONDS, check=False
        )
        if answer.returncode:
            raise ProcessError(f"Kafka's storage cannot be formatted: {answer.stdout}{answer.stderr}")

    def _command(self, main: str, *arguments: str | Path) -> list[str | Path]:
        return [self._java, "-Xms64m", "-Xmx512m", *QUICK_JVM, "-cp", f"{self._jars}/*", main, *arguments]


class EmbeddedKafka(Server):
    """librdkafka's mock cluster in a child: at once, in memory, topics of four partitions on first use.

    It knows one member a consumer group, and no admin calls. A `start` after `stop` has another port and no data.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(Process("embedded Kafka", [sys.executable, "-m", __name__], folder / "kafka.log"))
        self._address = ""

    @property
    def bootstrap_servers(self) -> str:
        """Host and port for clients."""
        return self._address

    def start(self) -> None:
        """Start; clients must be told the new address."""
        self.process.log.write_bytes(b"")
        super().start()

    def ready(self) -> bool:
        """Tell whether the cluster answers."""
        told = re.findall(r"^bootstrap_servers=(\S+)$", self.process.last_words(), re.MULTILINE)
        self._address = told[-1] if told else ""
        return bool(told) and answers(self._address)


def answers(bootstrap_servers: str) -> bool:
    """Tell whether a broker lists its topics."""
    try:
        AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0}).list_topics(timeout=ANSWER_SECONDS)
    except KafkaException:
        return False
    return True


def _embed() -> None:
    cluster = Producer({"bootstrap.servers": "replaced", "test.mock.num.brokers": 1, "log_level": 0})
    (broker,) = cluster.list_topics(timeout=10).brokers.values()
    sys.stdout.write(f"bootstrap_servers={broker.host}:{broker.port}\n")
    sys.stdout.flush()
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    _embed()
