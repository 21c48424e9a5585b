"""Manifests against the schemas of what reads them: Kubernetes' own, strictly, and those of custom resources.

Unknown fields are faults. Rules in CEL, which definitions hold beside their structure, are not executed.
"""

import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from tests.deployment.helm import Manifest
from tests.harness.servers import existing
from tools import charts

GROUPS: Final = ("keda.sh/", "monitoring.coreos.com/", "kafka.strimzi.io/")
CHOICES: Final = {"allOf", "anyOf", "not", "oneOf"}  # they say more of an object that is described beside them
_AFTER_GROUP: Final = re.compile(r"^([^./]*)(?:\.[^/]*)?/")


def faults(manifest: Manifest) -> list[str]:
    """Return what is wrong with a manifest, a line each, for every version of Kubernetes that is asked."""
    name = f"{manifest.get('kind')} {manifest.get('metadata', {}).get('name')}"
    if manifest["apiVersion"].startswith(GROUPS):
        return [f"{name}: {fault}" for fault in _told(_custom(manifest["apiVersion"], manifest["kind"]), manifest)]
    return [
        f"{name} (Kubernetes {version}): {fault}"
        for version in charts.KUBERNETES_VERSIONS
        for fault in _told(_builtin(version, manifest["apiVersion"], manifest["kind"]), manifest)
    ]


def _told(validator: Draft202012Validator | None, manifest: Manifest) -> Iterator[str]:
    if validator is None:
        yield "no schema knows it"
        return
    for error in validator.iter_errors(manifest):
        yield f"{error.json_path}: {error.message}"


@functools.cache
def _builtin(version: str, api_version: str, kind: str) -> Draft202012Validator | None:
    # Named as kubernetes-validate names them: deployment-apps-v1.json, networkpolicy-networking-v1.json.
    folder = existing(charts.kubernetes_schemas(), "Kubernetes' schemas") / version
    path = folder / f"{kind.lower()}-{_file_part(api_version)}.json"
    if not path.exists():
        return None
    return Draft202012Validator(json.loads(path.read_text()), registry=_shared(folder))


def _file_part(api_version: str) -> str:
    return _AFTER_GROUP.sub(r"\1-", api_version)


@functools.cache
def _shared(folder: Path) -> Registry[Any]:
    definitions = DRAFT202012.create_resource(json.loads((folder / "_definitions.json").read_text()))
    registry: Registry[Any] = Registry().with_resource("_definitions.json", definitions)
    return registry.crawl()


@functools.cache
def _custom(api_version: str, kind: str) -> Draft202012Validator | None:
    group, _, version = api_version.partition("/")
    for definition in _definitions():
        spec = definition["spec"]
        if (spec["group"], spec["names"]["kind"]) != (group, kind):
            continue
        for found in spec["versions"]:
            if found["name"] == version and found["served"]:
                return Draft202012Validator(strict(found["schema"]["openAPIV3Schema"], top=True))
    return None


@functools.cache
def _definitions() -> list[dict[str, Any]]:
    folder = existing(charts.definitions(), "the definitions of custom resources")
    return [read_yaml(path) for path in sorted(folder.glob("*.yaml"))]


def read_yaml(path: Path) -> Any:
    """Return what a file of one document holds."""
    return yaml.load(path.read_text(), Loader=yaml.CSafeLoader)


def strict(schema: Any, *, top: bool = False) -> Any:
    """Return a structural schema as JSON Schema that refuses unknown fields, as Kubernetes warns of them."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: value if key in CHOICES else strict(value) for key, value in schema.items() if key != "properties"}
    if "properties" in schema:
        found["properties"] = {name: strict(value) for name, value in schema["properties"].items()}
        # Kubernetes itself knows what metadata holds; definitions only say that it is an object.
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            found.setdefault("additionalProperties", False)
    if schema.get("x-kubernetes-int-or-string"):
        found["type"] = ["integer", "string"]
        found.pop("anyOf", None)
    if schema.get("nullable") and isinstance(found.get("type"), str):
        found["type"] = [found["type"], "null"]
    if top:
        found["required"] = sorted({*found.get("required", []), "apiVersion", "kind", "metadata", "spec"})
    return found
