"""values.schema.json, made from values.yaml and the settings classes, so that it knows every value and no other.

A value's type is that of its default, its description the comment above it; `RULES` adds what neither says. Maps whose
keys are anybody's stay open, all others refuse keys that they do not know.
"""

import json
import re
import typing
from collections.abc import Mapping
from typing import Any, Final, Literal

import yaml

from agents.settings import WorkerSettings
from stream.settings import BridgeSettings, KafkaSettings, Secret
from stream.variables import allowed, base_type, description
from tests.deployment.helm import CHART

Schema = dict[str, Any]

TEXTS: Final[Schema] = {"additionalProperties": {"type": "string"}}
OBJECTS: Final[Schema] = {"items": {"type": "object"}}
QUANTITY: Final[Schema] = {"pattern": r"^[0-9]+(\.[0-9]+)?([KMGT]i?)?$"}
DURATION: Final[Schema] = {"pattern": r"^([0-9]+(ms|s|m|h))+$"}
COUNT: Final[Schema] = {"minimum": 0}
PORT: Final[Schema] = {"minimum": 1, "maximum": 65535}
NAME: Final[Schema] = {"pattern": r"^([a-z0-9]([-.a-z0-9]*[a-z0-9])?)?$"}
BUDGET: Final[Schema] = {"type": ["integer", "string", "null"], "minimum": 0, "pattern": "^[0-9]{1,3}%$"}
SECONDS: Final[Schema] = {"type": ["integer", "null"], "minimum": 1}
USER: Final[Schema] = {"type": ["integer", "null"], "minimum": 1}
NETWORKS: Final[Schema] = {"items": {"type": "string", "pattern": r"^[0-9a-fA-F.:]+/[0-9]{1,3}$"}}
TIMINGS: Final[Schema] = {
    "additionalProperties": False,
    "properties": {
        name: {"type": "integer", "minimum": least}
        for name, least in {
            "initialDelaySeconds": 0,
            "periodSeconds": 1,
            "timeoutSeconds": 1,
            "failureThreshold": 1,
            "successThreshold": 1,
        }.items()
    },
}
RESOURCES: Final[Schema] = {
    "additionalProperties": False,
    "properties": {name: {"type": "object"} for name in ("limits", "requests")},
}
RULES: Final[Mapping[str, Schema]] = {
    "fullnameOverride": {"pattern": r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?)?$", "maxLength": 44},
    "commonLabels": TEXTS,
    "image.repository": {"minLength": 1},
    "image.digest": {"pattern": "^(sha256:[0-9a-f]{64})?$"},
    "image.pullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
    "kafkaTls.caSecret": NAME,
    "kafkaTls.clientSecret": NAME,
    "bridge.spool.sizeGi": {"minimum": 1},
    "bridge.service.type": {"enum": ["ClusterIP", "NodePort", "LoadBalancer"]},
    "bridge.service.port": PORT,
    "bridge.service.annotations": TEXTS,
    "bridge.ingress.annotations": TEXTS,
    "bridge.podDisruptionBudget.minAvailable": BUDGET,
    "worker.podDisruptionBudget.maxUnavailable": BUDGET,
    "worker.kind": {"enum": ["StatefulSet", "Deployment"]},
    "worker.autoscaling.keda.lagThreshold": {"minimum": 1},
    "worker.autoscaling.keda.pollingInterval": {"minimum": 1},
    "worker.autoscaling.keda.cooldownPeriod": COUNT,
    "worker.autoscaling.keda.fallback.failureThreshold": {"minimum": 1},
    "worker.autoscaling.keda.fallback.replicas": {"type": ["integer", "null"], "minimum": 0},
    "worker.autoscaling.keda.triggerAuthentication": NAME,
    "worker.tables.store": {"type": ["string", "null"], "enum": ["rocksdb", "memory", None]},
    "worker.tables.size": QUANTITY,
    "worker.tables.retention.whenDeleted": {"enum": ["Retain", "Delete"]},
    "worker.tables.retention.whenScaled": {"enum": ["Retain", "Delete"]},
    "topics.mode": {"enum": ["job", "strimzi", "none"]},
    "topics.job.activeDeadlineSeconds": {"minimum": 1},
    "topics.job.nodeSelector": TEXTS,
    "topics.job.resources": RESOURCES,
    "topics.strimzi.apiVersion": {"enum": ["kafka.strimzi.io/v1", "kafka.strimzi.io/v1beta2"]},
    "networkPolicy.egress.kafkaPorts": {"items": {"type": "integer", **PORT}, "minItems": 1},
    "networkPolicy.egress.httpsExcept": NETWORKS,
    "networkPolicy.egress.httpsExceptIpv6": NETWORKS,
    "metrics.runbookUrl": {"pattern": r"^(https?://[^\s\"#]+)?$"},
    "metrics.monitor.kind": {"enum": ["none", "PodMonitor", "ServiceMonitor"]},
    "metrics.monitor.labels": TEXTS,
    "metrics.monitor.interval": DURATION,
    "metrics.monitor.scrapeTimeout": DURATION,
    "metrics.rules.labels": TEXTS,
    "serviceAccount.annotations": TEXTS,
    "securityContext.runAsUser": USER,
    "securityContext.runAsGroup": USER,
    "securityContext.fsGroup": USER,
    "tests.waitSeconds": {"minimum": 1},
    "extraObjects": {"items": {"type": ["object", "string"]}},
}
OF_BOTH: Final[Mapping[str, Schema]] = {
    "replicas": COUNT,
    "preStopSeconds": {"minimum": 0, "maximum": 600},
    "terminationGracePeriodSeconds": SECONDS,
    "podAnnotations": TEXTS,
    "podLabels": TEXTS,
    "nodeSelector": TEXTS,
    "topologySpreadConstraints": {"type": ["array", "null"], **OBJECTS},
    "autoscaling.type": {"enum": ["none", "hpa", "keda"]},
    "autoscaling.minReplicas": COUNT,
    "autoscaling.maxReplicas": {"minimum": 1},
    "autoscaling.targetCPUUtilizationPercentage": {"minimum": 1, "maximum": 1000},
    "autoscaling.behavior": {"type": ["object", "null"]},
    "probes.startup": TIMINGS,
    "probes.readiness": TIMINGS,
    "probes.liveness": TIMINGS,
    "resources": RESOURCES,
}
OPEN: Final = {*(f"{part}.{name}" for part in ("bridge", "worker") for name in OF_BOTH)}
USES: Final[Mapping[str, str]] = {
    "kafka": r"^KAFKA_(SASL_(USERNAME|PASSWORD)|OAUTH_CLIENT_(ID|SECRET)|SSL_KEY_PASSWORD|LIBRDKAFKA_OPTIONS)$",
    "webhook": r"^WEBHOOK_(SECRET|[A-Z_]+_CREDENTIALS)$",
    "genesys": r"^GENESYS_CLIENT_(ID|SECRET)$",
    "storage": r"^(S3_(ACCESS|SECRET)_KEY|CDN_PRESIGNED_URL_TEMPLATE)$",
    "objectKey": r"^OBJECT_KEY_SECRET$",
    "tracing": r"^OTEL_EXPORTER_OTLP_HEADERS$",
}


def text() -> str:
    """Return the whole file."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    root = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Values of attachment-previews"}
    described = comments((CHART / "values.yaml").read_text())
    schema = {**root, **_schema("", values, described)}
    schema["properties"]["global"] = {"type": "object", "description": "What a parent chart shares; not read."}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def secret_settings() -> str:
    """Return the variables that hold secrets, for a template to refuse among the settings."""
    found = {
        name.upper()
        for kind in _kind("")
        for name, hint in typing.get_type_hints(kind, include_extras=True).items()
        if base_type(hint) is Secret
    }
    return json.dumps(sorted(found), indent=2) + "\n"


def comments(source: str) -> dict[str, str]:
    """Return the description above each value of a values.yaml in helm-docs' form, by path."""
    found: dict[str, str] = {}
    path: list[str] = []
    block: list[str] = []
    for line in source.splitlines():
        comment = re.match(r"\s*# (.*)$", line)
        key = re.match(r"(\s*)([A-Za-z0-9_]+):", line)
        if comment:
            block = [comment[1].removeprefix("-- ")] if comment[1].startswith("-- ") else [*block, comment[1]]
        elif key:
            path = [*path[: len(key[1]) // 2], key[2]]
            if block:
                found[".".join(path)] = " ".join(part for part in block if not part.startswith("@"))
            block = []
    return found


def _schema(path: str, default: Any, described: Mapping[str, str]) -> Schema:
    schema: Schema = {"description": described[path]} if path in described else {}
    part, _, name = path.partition(".")
    if name == "settings" or path == "settings":
        return {**schema, "type": "object", "additionalProperties": False, "properties": settings(_kind(part))}
    if part == "secrets" and path.endswith(".values"):
        return {**schema, **_secret_values(path.split(".")[1])}
    rule = RULES.get(path, OF_BOTH.get(name, {}) if part in {"bridge", "worker"} else {})
    if isinstance(default, dict) and default and path not in OPEN and "additionalProperties" not in rule:
        inner = {key: _schema(f"{path}.{key}".lstrip("."), value, described) for key, value in default.items()}
        return {**schema, "type": "object", "additionalProperties": False, "properties": inner}
    items = OBJECTS if isinstance(default, list) else {}
    return {**schema, "type": _type(default), **items, **rule}


def _type(default: Any) -> str:
    kinds = {bool: "boolean", int: "integer", str: "string", list: "array", dict: "object"}
    return kinds.get(type(default), "null")


def _kind(part: str) -> tuple[type[KafkaSettings], ...]:
    kinds: dict[str, type[KafkaSettings]] = {"bridge": BridgeSettings, "worker": WorkerSettings}
    return (kinds[part],) if part in kinds else tuple(kinds.values())


def settings(kinds: tuple[type[KafkaSettings], ...]) -> Schema:
    """Return a schema for every variable of these processes."""
    found: Schema = {}
    for kind in kinds:
        hints = typing.get_type_hints(kind, include_extras=True)
        for name in kind.__struct_fields__:
            found[name.upper()] = _setting(hints[name])
    return dict(sorted(found.items()))


def _setting(hint: Any) -> Schema:
    base = base_type(hint)
    described = {"description": ": ".join(part for part in (description(hint), allowed(hint)) if part)}
    if typing.get_origin(base) is Literal:
        return {**described, "enum": sorted({"", *typing.get_args(base)})}
    if base in {int, float}:
        return {**described, "type": ["integer" if base is int else "number", "string"], "pattern": r"^[0-9.]*$"}
    if base is bool:
        return {**described, "type": ["boolean", "string"], "pattern": "^(true|false|yes|no|on|off|1|0)?$"}
    return {**described, "type": ["string", "number", "boolean"]}


def _secret_values(use: str) -> Schema:
    return {
        "type": "object",
        "additionalProperties": False,
        "patternProperties": {USES[use]: {"type": ["string", "number"]}},
    }
