"""Brokers: Apache Kafka as it is, and librdkafka's mock cluster for what makes no claim about delivery."""

import re
import signal
import subprocess
import sys
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient

from tests.harness.processes import Process, ProcessError, accepts_connections, free_port
from tests.harness.servers import Server, existing
from tools import servers as installed

QUICK_JVM: Final = ("-Xms64m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
"""For a short life in little memory; under load answers came up to 96 ms late with it, with Kafka's own up to 81 ms."""
SHIPPED_JVM: Final = (
    *("-server", "-Xms1g", "-Xmx1g", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"),
    *("-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent"),
)
"""What Kafka's own kafka-server-start.sh and kafka-run-class.sh give it, for whoever measures latency."""
FORMAT_SECONDS: Final = 60.0
ANSWER_SECONDS: Final = 1.0

PROPERTIES: Final = """\
process.roles=broker,controller
node.id={node}
{quorum}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
offsets.topic.replication.factor={replicas}
offsets.topic.num.partitions=4
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={in_sync}
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor={replicas}
share.coordinator.state.topic.min.isr={in_sync}
min.insync.replicas={in_sync}
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


@dataclass(frozen=True)
class Quorum:
    """The controllers of a cluster, one in each broker, by their ports; the first one is node 1."""

    cluster_id: str
    controller_ports: tuple[int, ...]

    @classmethod
    def of(cls, nodes: int) -> Self:
        """Choose free ports for a new cluster."""
        cluster_id = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        return cls(cluster_id, tuple(free_port() for _ in range(nodes)))

    @property
    def alone(self) -> bool:
        """Whether there is one broker, which keeps the only copy of everything."""
        return len(self.controller_ports) == 1

    def property(self) -> str:
        """Return the line that names the controllers in a broker's properties."""
        if self.alone:
            return f"controller.quorum.bootstrap.servers=127.0.0.1:{self.controller_ports[0]}"
        voters = (f"{node}@127.0.0.1:{port}" for node, port in enumerate(self.controller_ports, 1))
        return f"controller.quorum.voters={','.join(voters)}"


class RealKafka(Server):
    """One Apache Kafka broker and controller (KRaft) on free ports; topics are never created by themselves.

    `stop` and `start` keep the port and the data; `kill` is a crash. By default it is a cluster of its own.

    Raises:
        MissingServerError: Java 17 or Kafka's jars are not on this machine.
    """

    def __init__(
        self, folder: Path, quorum: Quorum | None = None, node: int = 1, *, jvm: Sequence[str] = QUICK_JVM
    ) -> None:
        self._jvm = jvm
        self._quorum = quorum or Quorum.of(1)
        self._node = node
        self._java = existing(installed.find_java(), f"Java {installed.LEAST_JAVA}")
        self._jars = existing(installed.kafka_jars(), "Apache Kafka")
        self._properties = folder / "server.properties"
        self._data = folder / "data"
        self._port = free_port()
        name = "Kafka" if self._quorum.alone else f"Kafka-{node}"
        super().__init__(Process(name, self._command("kafka.Kafka", self._properties), folder / "kafka.log"))

    @property
    def bootstrap_servers(self) -> str:
        """Host and port for clients."""
        return f"127.0.0.1:{self._port}"

    def begin(self) -> None:
        """Start without waiting; the first time on formatted, empty storage."""
        if not self._data.exists():
            self._format()
        super().begin()

    def ready(self) -> bool:
        """Tell whether the broker answers."""
        return accepts_connections(self._port) and answers(self.bootstrap_servers)

    def _format(self) -> None:
        replicas = min(len(self._quorum.controller_ports), 3)
        text = PROPERTIES.format(
            node=self._node,
            quorum=self._quorum.property(),
            port=self._port,
            controller_port=self._quorum.controller_ports[self._node - 1],
            data=self._data,
            replicas=replicas,
            in_sync=max(1, replicas - 1),
        )
        self._properties.write_text(text)
        tool = self._command(
            "kafka.tools.StorageTool", "format", f"--cluster-id={self._quorum.cluster_id}", "-c", self._properties
        )
        tool += ["--standalone"] if self._quorum.alone else []
        answer = subprocess.run(tool, capture_output=True, text=True, timeout=FORMAT_SECONDS, check=False)
        if answer.returncode:
            raise ProcessError(f"Kafka's storage cannot be formatted: {answer.stdout}{answer.stderr}")

    def _command(self, main: str, *arguments: str | Path) -> list[str | Path]:
        return [self._java, *self._jvm, "-Dlog4j2.level=WARN", "-cp", f"{self._jars}/*", main, *arguments]


class KafkaCluster:
    """One broker, or three that keep three copies of everything, of which two acknowledge a record.

    Raises:
        MissingServerError: As RealKafka.
    """

    def __init__(self, folder: Path, nodes: int = 1) -> None:
        quorum = Quorum.of(nodes)
        folders = [folder / f"kafka-{node}" for node in range(1, nodes + 1)]
        for one in folders:
            one.mkdir()
        self.brokers = [RealKafka(one, quorum, node) for node, one in enumerate(folders, 1)]
        self._stack = ExitStack()

    @property
    def bootstrap_servers(self) -> str:
        """Hosts and ports of all brokers, for clients."""
        return ",".join(broker.bootstrap_servers for broker in self.brokers)

    def topic_settings(self) -> dict[str, str]:
        """Return the product's settings that fit the number of brokers."""
        replicas = min(len(self.brokers), 3)
        in_sync = max(1, replicas - 1)
        return {"TOPIC_REPLICATION_FACTOR": str(replicas), "TOPIC_MIN_INSYNC_REPLICAS": str(in_sync)}

    def in_sync(self) -> bool:
        """Tell whether every partition has a leader and all of its copies."""
        try:
            admin = AdminClient({"bootstrap.servers": self.bootstrap_servers, "log_level": 0})
            topics = admin.list_topics(timeout=ANSWER_SECONDS).topics
        except KafkaException:
            return False
        partitions = [partition for topic in topics.values() for partition in topic.partitions.values()]
        return all(one.leader >= 0 and set(one.isrs) == set(one.replicas) for one in partitions)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for broker in self.brokers:  # none answers before most of them run
                broker.begin()
                stack.callback(broker.stop)
            for broker in self.brokers:
                broker.await_ready()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for broker in self.brokers:
            broker.resume()  # all at once: the last of three to be told finds no quorum to leave in order
            broker.process.terminate()
        self._stack.close()


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
