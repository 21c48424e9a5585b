"""A broker that asks for proof, reached by both clients with the same settings."""

import datetime as dt
import gc
import os
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth

from agents.kafka.credentials import broker_credentials
from agents.settings import WorkerSettings
from stream.kafka.clients import client_config
from stream.kafka.provisioning import provision
from stream.settings import KafkaSettings, load
from tests.harness.secured_kafka import PASSWORD, SecuredKafka, TokenEndpoint
from tests.harness.servers import MissingServerError, skip_or_fail

pytestmark = pytest.mark.real

NO_FILE = Path("no-such-folder/.env")
LEAST = {"GENESYS_CLIENT_ID": "id", "GENESYS_CLIENT_SECRET": "secret", "OBJECT_KEY_SECRET": "0123456789abcdef"}
TOPIC = "attachments"
CLIENT, CLIENT_SECRET = "bridge", "s3cret/+"
ANSWER_SECONDS = 15.0


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    now = dt.datetime.now(dt.UTC)
    try:
        made = SecuredKafka(tmp_path_factory.mktemp("secured"), now)
    except MissingServerError as error:
        skip_or_fail(str(error), os.environ)
    with made:
        provision(KafkaSettings(kafka_bootstrap_servers=made.bootstrap_servers), create=True, wait_seconds=30)
        yield made


@pytest.fixture(scope="module")
def endpoint() -> Iterator[TokenEndpoint]:
    with TokenEndpoint(CLIENT, CLIENT_SECRET, time.time) as granting:
        yield granting


@pytest.fixture(autouse=True)
def _leave_no_connection() -> Iterator[None]:
    """Let go of what aiokafka leaves to the garbage collector: the connection on which the proof failed."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def mtls(broker: SecuredKafka) -> dict[str, str]:
    return {
        "KAFKA_BOOTSTRAP_SERVERS": broker.mtls,
        "KAFKA_SECURITY_PROTOCOL": "SSL",
        "KAFKA_SSL_CA_FILE": str(broker.authority),
        "KAFKA_SSL_CERTIFICATE_FILE": str(broker.client_identity),
        "KAFKA_SSL_KEY_FILE": str(broker.client_identity),
    }


def token(broker: SecuredKafka, endpoint: TokenEndpoint) -> dict[str, str]:
    return {
        "KAFKA_BOOTSTRAP_SERVERS": broker.token,
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_SSL_CA_FILE": str(broker.authority),
        "KAFKA_SASL_MECHANISM": "OAUTHBEARER",
        "KAFKA_OAUTH_TOKEN_URL": endpoint.url,
        "KAFKA_OAUTH_CLIENT_ID": CLIENT,
        "KAFKA_OAUTH_CLIENT_SECRET": CLIENT_SECRET,
        "KAFKA_OAUTH_SCOPE": "kafka",
    }


def user(broker: SecuredKafka) -> dict[str, str]:
    return {
        "KAFKA_BOOTSTRAP_SERVERS": broker.user,
        "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "KAFKA_SASL_MECHANISM": "PLAIN",
        "KAFKA_SASL_USERNAME": "bridge",
        "KAFKA_SASL_PASSWORD": PASSWORD,
    }


def topics_seen_by_librdkafka(environ: dict[str, str], seconds: float = ANSWER_SECONDS) -> set[str]:
    settings = load(KafkaSettings, environ, NO_FILE)
    admin = AdminClient(client_config(settings, client_id="test") | {"log_level": 0})
    return set(admin.list_topics(timeout=seconds).topics)


async def sent_by_aiokafka(environ: dict[str, str]) -> int:
    settings = load(WorkerSettings, LEAST | environ, NO_FILE)
    auth: Any = credentials_to_aiokafka_auth(broker_credentials(settings))
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers, **auth)
    try:
        await producer.start()
        partition: int = (await producer.send_and_wait(TOPIC, b"value", key=b"key")).partition
    finally:
        await producer.stop()
    return partition


async def test_both_clients_prove_themselves_by_certificate(broker: SecuredKafka) -> None:
    environ = mtls(broker)
    assert TOPIC in topics_seen_by_librdkafka(environ)
    assert await sent_by_aiokafka(environ) >= 0


async def test_a_client_without_a_certificate_is_refused(broker: SecuredKafka) -> None:
    environ = {name: value for name, value in mtls(broker).items() if "CERTIFICATE" not in name and "KEY" not in name}
    with pytest.raises(KafkaException):
        topics_seen_by_librdkafka(environ, 3)
    with pytest.raises(KafkaConnectionError):
        await sent_by_aiokafka(environ)


async def test_both_clients_prove_themselves_by_a_token_of_the_endpoint(
    broker: SecuredKafka, endpoint: TokenEndpoint
) -> None:
    environ = token(broker, endpoint)
    assert TOPIC in topics_seen_by_librdkafka(environ)
    before = len(endpoint.asked)
    assert await sent_by_aiokafka(environ) >= 0
    assert endpoint.asked[before:] == ["kafka"]  # once, however many connections there are


async def test_without_a_token_the_worker_tells_that_it_cannot_connect(
    broker: SecuredKafka, endpoint: TokenEndpoint
) -> None:
    with pytest.raises(KafkaConnectionError):
        await sent_by_aiokafka(token(broker, endpoint) | {"KAFKA_OAUTH_CLIENT_SECRET": "wrong"})


async def test_both_clients_prove_themselves_by_user_name(broker: SecuredKafka) -> None:
    environ = user(broker)
    assert TOPIC in topics_seen_by_librdkafka(environ)
    assert await sent_by_aiokafka(environ) >= 0
