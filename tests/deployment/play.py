"""`python -m tests.deployment.play FOLDER PICTURES`: docker-compose.yml's demo, played without Docker.

Our services run in trees that the Dockerfile's steps made; Kafka and the S3 server are the real ones, started with the
variables that the Compose file gives them. Names and ports are those of the Compose file: all of it runs in a network
namespace of its own, where the services' names lead to 127.0.0.1. Prometheus and Grafana are left out here.
The last line is one JSON object, see Report.
"""

import fcntl
import re
import socket
import struct
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from tests.deployment.container import Container, descendants
from tests.deployment.container_files import ROOT, compose
from tests.deployment.layers import Built
from tests.harness.deployment import get
from tests.harness.kafka import QUICK_JVM, answers
from tests.harness.processes import Process
from tests.harness.servers import existing
from tools import servers as installed
from tools.command import say

IMAGES: Final = "images.json"
DEMO: Final = ROOT / "demo.env"
READY_SECONDS: Final = 60.0
LAST_LINES: Final = 3
SET_INTERFACE_FLAGS: Final = 0x8914  # SIOCSIFFLAGS, netdevice(7)
UP_AND_RUNNING: Final = 0x41
CLUSTER: Final = "5L6g3nShT-eMCtK--X86sw"  # what apache/kafka's image falls back to
WRITABLE: Final = """
import os
found = []
for folder, folders, files in os.walk("/"):
    folders[:] = [name for name in folders if f"{folder}/{name}" not in ("//proc", "//sys")]
    if os.access(folder, os.W_OK):
        found.append(folder)
        folders.clear()
    found += [f"{folder}/{name}" for name in files if os.access(f"{folder}/{name}", os.W_OK) and folder != "/dev"]
print("\\n".join(sorted(found)))
"""
IDENTITY: Final = """
import os
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(os.getuid(), os.getgid(), os.getgroups(), status["CapEff"].strip(), status["NoNewPrivs"].strip())
"""


class Images(Struct):
    """What the Dockerfile's targets became."""

    product: Built
    simulator: Built


class Report(Struct, kw_only=True):
    """What was found; `writable` are the topmost paths that the worker's user can write to."""

    commands: dict[str, int]
    healthy: list[str]
    unhealthy_when_nothing_listens: bool
    identity: str
    writable: list[str]
    version: str
    layers: dict[str, bool]
    allocator: list[str]
    databases: int
    dropped: int
    linked: int
    worker_resident_bytes: float
    worker_cpu_seconds: float
    exit_codes: dict[str, int]


def main(folder: Path, images: Images, *, pictures: int) -> Report:
    """Start everything in the order that the Compose file wants, drop pictures, look around, and end it."""
    _raise_loopback()
    project = compose(DEMO)["services"]
    _name_services(folder, project)
    with ExitStack() as stack:
        for server in (_kafka(folder, project["kafka"]), _s3(folder, project["s3"])):
            stack.enter_context(server[0])
            server[0].wait_until(server[1], READY_SECONDS)
        return _play(folder, project, images, pictures)


def _play(folder: Path, project: dict[str, Any], images: Images, pictures: int) -> Report:
    def container(name: str, built: Built) -> Container:
        return Container(name, built, project[name], folder)

    topics, bridge, worker = (container(name, images.product) for name in ("topics", "bridge", "worker"))
    genesys, guest = container("simulator", images.simulator), container("guest", images.simulator)
    deaf = bridge.healthy()
    commands = _commands(topics, bridge)
    with ExitStack() as stack:
        for one in (genesys, bridge, worker):
            stack.enter_context(one.process)
        for one in (genesys, bridge, worker):
            one.process.wait_until(one.healthy, READY_SECONDS)
        worker.process.wait_until(lambda: get("http://127.0.0.1:8081/readyz")[0] == 200, READY_SECONDS)
        told = guest.run([*guest.command, f"--pictures={pictures}"])
        say(f"{told.stdout}{told.stderr}")
        metrics = get("http://127.0.0.1:8081/metrics")[1].decode()
        allocator = _allocators(worker.first_pid)
        databases = len(list(Path(f"/proc/{worker.first_pid}/root/data").glob("*-changelog/*/CURRENT")))
        exits = {one.name: one.stop(READY_SECONDS) for one in (worker, bridge, genesys)}
    for one in (worker, bridge):
        say(f"{one.name}:\n{one.process.last_words(LAST_LINES)}")
    counted = msgspec.json.decode(told.stdout.splitlines()[-1]) if told.stdout else {"dropped": pictures, "linked": 0}
    return Report(
        commands=commands,
        healthy=[one.name for one in (genesys, bridge, worker)],
        unhealthy_when_nothing_listens=not deaf,
        identity=worker.run(["python", "-c", IDENTITY]).stdout.strip(),
        writable=worker.run(["python", "-c", WRITABLE]).stdout.split(),
        version=next(iter(re.findall(r'^previews_build_info\{version="([^"]+)"', metrics, re.MULTILINE)), ""),
        layers={
            name: value == "1.0"
            for name, value in re.findall(r'^previews_confinement_layer\{layer="(\w+)"\} (\S+)', metrics, re.MULTILINE)
        },
        allocator=allocator,
        databases=databases,
        dropped=counted["dropped"],
        linked=counted["linked"],
        worker_resident_bytes=_sample(metrics, "process_resident_memory_bytes"),
        worker_cpu_seconds=_sample(metrics, "process_cpu_seconds_total"),
        exit_codes=exits,
    )


def _commands(topics: Container, bridge: Container) -> dict[str, int]:
    """The one-shot command of the Compose file, then the image's others."""
    found = {"stream topics": topics.run(topics.command)}
    for module, name in (("stream", "bridge"), ("stream", "topics"), ("stream", "dead-letters"), ("agents", "worker")):
        found[f"{module} {name} --help"] = bridge.run(["python", "-m", module, name, "--help"])
    for name, answer in found.items():
        if answer.returncode:
            say(f"{name}: {answer.stdout}{answer.stderr}")
    return {name: answer.returncode for name, answer in found.items()}


def _allocators(pid: int) -> list[str]:
    """Name the allocator of each Python from a container's process 1 on."""
    found = []
    for process in descendants(pid):
        maps = Path(f"/proc/{process}/maps").read_text()
        command = Path(f"/proc/{process}/cmdline").read_text().replace("\0", " ").strip()
        if "python" in command.split(" ")[0]:
            found.append(f"{'jemalloc' if 'libjemalloc' in maps else 'glibc'}: {command.split(' -m ')[-1][:40]}")
    return found


def _sample(metrics: str, name: str) -> float:
    found = re.search(rf"^{name} (\S+)", metrics, re.MULTILINE)
    return float(found[1]) if found else 0.0


def _kafka(folder: Path, service: dict[str, Any]) -> tuple[Process, Any]:
    """Make the properties of the Compose file's variables with Kafka's own start-up for containers, and start it."""
    java = existing(installed.find_java(), f"Java {installed.LEAST_JAVA}")
    jars = f"{existing(installed.kafka_jars(), 'Apache Kafka')}/*"
    places = {name: folder / "kafka" / name for name in ("defaults", "mounted", "final")}
    for place in places.values():
        place.mkdir(parents=True)
    (places["defaults"] / "server.properties").touch()
    data = {"KAFKA_LOG_DIRS": str(folder / "kafka" / "data"), "CLUSTER_ID": CLUSTER}
    options: list[str | Path] = ["-D", places["defaults"], "-M", places["mounted"], "-F", places["final"]]
    subprocess.run(
        [java, "-cp", jars, "kafka.docker.KafkaDockerWrapper", "setup", *options],
        env={**service["environment"], **data},
        check=True,
        stdout=sys.stderr,
    )
    command: list[str | Path] = [java, *QUICK_JVM, "-Dlog4j2.level=WARN", "-cp", jars, "kafka.Kafka"]
    log = folder / "kafka.log"
    return Process("kafka", [*command, places["final"] / "server.properties"], log), lambda: answers("kafka:9092")


def _s3(folder: Path, service: dict[str, Any]) -> tuple[Process, Any]:
    """Start versitygw by the Compose file's command and variables; well is what its health check says."""
    program = existing(installed.program("versitygw"), "versitygw")
    data = folder / "s3-data"
    data.mkdir()
    command: list[str | Path] = [program, *(str(data) if part == "/data" else part for part in service["command"])]
    (address, *_) = re.findall(r"http://\S+", " ".join(service["healthcheck"]["test"]))
    return Process("s3", command, folder / "s3.log", service["environment"]), lambda: get(address)[0] == 200


def _name_services(folder: Path, project: dict[str, Any]) -> None:
    hosts = folder / "hosts"
    hosts.write_text(f"127.0.0.1 localhost {socket.gethostname()} {' '.join(project)}\n")
    subprocess.run(["mount", "--bind", hosts, "/etc/hosts"], check=True)


def _raise_loopback() -> None:
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SET_INTERFACE_FLAGS, struct.pack("16sh14x", b"lo", UP_AND_RUNNING))


if __name__ == "__main__":
    place, number = Path(sys.argv[1]), int(sys.argv[2])
    built = msgspec.json.decode((place / IMAGES).read_bytes(), type=Images, dec_hook=lambda kind, text: kind(text))
    sys.stdout.write(f"{msgspec.json.encode(main(place, built, pictures=number)).decode()}\n")
