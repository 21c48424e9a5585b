"""Values that cannot be meant are refused with a line that names them."""

import typing

import pytest

from agents.settings import WorkerSettings
from stream.settings import BridgeSettings, KafkaSettings, Secret
from stream.variables import base_type
from tests.deployment.manifests import ENOUGH, rendered, setting

pytestmark = pytest.mark.real

KINDS: tuple[type[KafkaSettings], ...] = (BridgeSettings, WorkerSettings)
SECRETS = {
    name.upper()
    for kind in KINDS
    for name, hint in typing.get_type_hints(kind, include_extras=True).items()
    if base_type(hint) is Secret
}


def test_no_secret_may_stand_among_the_settings() -> None:
    for variable in SECRETS:
        said = rendered(*ENOUGH, *setting(variable, "hush"))
        assert f"settings.{variable} is a secret" in said.refusal


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ("settings.S3_ENDPOINT=", "settings.S3_ENDPOINT must be set"),
        ("settings.S3_SECRET_KEY=hush", "S3_SECRET_KEY is a secret"),
        ("bridge.settings.WEBHOOK_MESSAGES_CREDENTIALS=bearer:hush", "WEBHOOK_MESSAGES_CREDENTIALS is a secret"),
        ("bridge.ingress.enabled=true", "bridge.ingress.host must be set"),
        ("secrets.existingSecret=,secrets.webhook.values=null", "the bridge does not start"),
        ("secrets.existingSecret=,secrets.webhook.values.WEBHOOK_SECRET=x", "secrets.genesys.values.GENESYS_CLIENT_ID"),
        ("worker.replicas=33", "worker.replicas is 33: at most settings.TOPIC_PARTITIONS, which is 32"),
        ("worker.autoscaling.type=keda,worker.autoscaling.maxReplicas=33", "maxReplicas is 33: at most"),
        ("worker.autoscaling.type=hpa,worker.autoscaling.minReplicas=9", "minReplicas is 9: at most maxReplicas"),
        ("worker.autoscaling.type=hpa,worker.autoscaling.minReplicas=0", "minReplicas is 0: at least 1"),
        ("worker.autoscaling.type=keda,worker.autoscaling.minReplicas=0", "minReplicas is 0: at least 1, for retries"),
        ("bridge.autoscaling.type=keda,bridge.autoscaling.minReplicas=0", "minReplicas is 0: at least 1"),
        ("settings.RENDER_REQUIRE_CONFINEMENT=all", "'all' asks for network_namespace, which no pod"),
        ("worker.settings.RENDER_REQUIRE_CONFINEMENT=network_namespace", "asks for network_namespace, which no pod"),
        ("worker.autoscaling.type=keda,worker.autoscaling.keda.fallback.replicas=9", "fallback.replicas is 9: at most"),
        ("worker.autoscaling.type=vpa", "at '/worker/autoscaling/type': value must be one of 'none', 'hpa', 'keda'"),
        ("bridge.spool.enabled=true,bridge.autoscaling.type=hpa", "bridge.spool.enabled needs bridge.autoscaling.type"),
        ("topics.mode=strimzi", "topics.strimzi.cluster must be set"),
        ("topics.mode=operator", "at '/topics/mode': value must be one of 'job', 'strimzi', 'none'"),
        ("bridge.terminationGracePeriodSeconds=30", "terminationGracePeriodSeconds is 30: at least 40"),
        ("settings.BRIDGE_PORT=80", "settings.BRIDGE_PORT is set by the chart"),
        ("worker.settings.TOPIC_PARTITIONS=8", "worker.settings.TOPIC_PARTITIONS must be the same for every process"),
        ("settings.TOPIC_MIN_INSYNC_REPLICAS=4", "at most TOPIC_REPLICATION_FACTOR, which is 3"),
        ("settings.S3_BUKCET=previews", "additional properties 'S3_BUKCET' not allowed"),
        ("settings.LOG_LEVEL=LOUD", "at '/settings/LOG_LEVEL': value must be one of"),
        ("wroker.replicas=1", "additional properties 'wroker' not allowed"),
        ("worker.replicas=many", "at '/worker/replicas': got string, want integer"),
        ("secrets.genesys.values.S3_SECRET_KEY=x", "additional properties 'S3_SECRET_KEY' not allowed"),
        ("securityContext.runAsUser=0", "at '/securityContext/runAsUser': minimum: got 0, want 1"),
        ("networkPolicy.enabled=true,settings.KAFKA_BOOTSTRAP_SERVERS=b:9098", "kafkaPorts must have 9098"),
        ("kafkaTls.caSecret=ca", "kafkaTls needs settings.KAFKA_SECURITY_PROTOCOL"),
    ],
)
def test_a_wrong_value_is_named(values: str, reason: str) -> None:
    assert reason in rendered(*ENOUGH, "--set", values).refusal


@pytest.mark.parametrize(
    "arguments",
    [
        "secrets.webhook.values.WEBHOOK_OPEN_MESSAGING_CREDENTIALS=hub:hush",
        "secrets.webhook.existingSecret=of-my-own",
        "secrets.webhook.values.WEBHOOK_SECRET=hush",
        "bridge.settings.WEBHOOK_ALLOW_UNAUTHENTICATED=true",
    ],
)
def test_a_bridge_that_would_start_is_rendered(arguments: str) -> None:
    rest = "secrets.existingSecret=,secrets.genesys.existingSecret=g,secrets.objectKey.existingSecret=o"
    assert rendered(*ENOUGH, "--set", rest, "--set", arguments).refusal == ""


def test_a_kubernetes_that_is_too_old_is_refused() -> None:
    said = rendered(*ENOUGH, "--kube-version", "1.29.0")
    assert "chart requires kubeVersion: >=1.30.0-0" in said.refusal
