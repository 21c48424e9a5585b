"""Kubernetes' Pod Security Standard `restricted`, as far as it concerns Linux pods.

The controls are those of kubernetes.io/docs/concepts/security/pod-security-standards. Besides, what this product adds:
a root file system that is read-only, no token of a ServiceAccount, no service links, a limit of memory.
"""

from collections.abc import Iterator
from typing import Any, Final

from tests.deployment.helm import Manifest

VOLUMES: Final = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
HOST: Final = ("hostNetwork", "hostPID", "hostIPC")


def pods(manifests: list[Manifest]) -> list[tuple[str, dict[str, Any]]]:
    """Return the name and the specification of every pod that these manifests lead to."""
    found = []
    for item in manifests:
        name = f"{item['kind']} {item['metadata']['name']}"
        if item["kind"] == "Pod":
            found.append((name, item["spec"]))
        elif "template" in item.get("spec", {}):
            found.append((name, item["spec"]["template"]["spec"]))
    return found


def faults(pod: dict[str, Any]) -> Iterator[str]:
    """Yield what a pod is allowed that it should not be."""
    security = pod.get("securityContext", {})
    yield from (f"{name} is set" for name in HOST if pod.get(name))
    if security.get("runAsNonRoot") is not True or security.get("runAsUser") == 0:
        yield "may run as root"
    if security.get("seccompProfile", {}).get("type") not in {"RuntimeDefault", "Localhost"}:
        yield "has no seccomp profile"
    if pod.get("automountServiceAccountToken") is not False:
        yield "gets a token"
    if pod.get("enableServiceLinks") is not False:  # Kubernetes would put BRIDGE_PORT=tcp://… among the settings
        yield "gets service links"
    for volume in pod.get("volumes", []):
        yield from (f"volume {volume['name']} is {kind}" for kind in volume.keys() - VOLUMES - {"name"})
    for container in [*pod["containers"], *pod.get("initContainers", [])]:
        yield from (f"container {container['name']} {fault}" for fault in _of_container(container))


def _of_container(container: dict[str, Any]) -> Iterator[str]:
    security = container.get("securityContext", {})
    if security.get("allowPrivilegeEscalation") is not False or security.get("privileged"):
        yield "may gain privileges"
    if security.get("capabilities") != {"drop": ["ALL"]}:
        yield "keeps capabilities"
    if security.get("readOnlyRootFilesystem") is not True:
        yield "may write to its image"
    if any("hostPort" in port for port in container.get("ports", [])):
        yield "takes a port of the host"
    if "memory" not in container.get("resources", {}).get("limits", {}):
        yield "has no limit of memory"
    if ":" not in container["image"] or container["image"].endswith(":latest"):
        yield "has an image without version"
