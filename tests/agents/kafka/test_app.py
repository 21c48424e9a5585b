import ssl
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth

from agents.kafka.app import create_app, record_of
from agents.kafka.consumer import Consumer
from agents.settings import WorkerSettings
from stream.settings import WrongSettingError, load

LEAST = {"GENESYS_CLIENT_ID": "id", "GENESYS_CLIENT_SECRET": "secret", "OBJECT_KEY_SECRET": "0123456789abcdef"}


def settings(**environ: str) -> WorkerSettings:
    return load(WorkerSettings, LEAST | environ)


def auth(**environ: str) -> Any:
    return credentials_to_aiokafka_auth(create_app(settings(**environ)).conf.broker_credentials)


def test_without_further_settings_faust_talks_in_plain_text() -> None:
    assert auth() == {"security_protocol": "PLAINTEXT"}


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
@pytest.mark.parametrize("protocol", ["SASL_PLAINTEXT", "SASL_SSL"])
def test_faust_proves_itself_as_the_settings_say(protocol: str, mechanism: str) -> None:
    given = auth(
        KAFKA_SECURITY_PROTOCOL=protocol,
        KAFKA_SASL_MECHANISM=mechanism,
        KAFKA_SASL_USERNAME="user",
        KAFKA_SASL_PASSWORD="password",
    )
    assert given["security_protocol"] == protocol
    assert given["sasl_mechanism"] == mechanism
    assert (given["sasl_plain_username"], given["sasl_plain_password"]) == ("user", "password")
    assert (given["ssl_context"] is not None) == protocol.endswith("SSL")


def test_encrypted_brokers_are_verified() -> None:
    context = auth(KAFKA_SECURITY_PROTOCOL="SSL")["ssl_context"]
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_faust_asks_for_tokens_with_what_librdkafka_asks_with() -> None:
    given = auth(
        KAFKA_SECURITY_PROTOCOL="SASL_SSL",
        KAFKA_SASL_MECHANISM="OAUTHBEARER",
        KAFKA_OAUTH_TOKEN_URL="https://login.example.com/token",
        KAFKA_OAUTH_CLIENT_ID="worker",
        KAFKA_OAUTH_CLIENT_SECRET="secret",
        KAFKA_OAUTH_EXTENSIONS="logicalCluster=lkc-1",
    )
    assert (given["security_protocol"], given["sasl_mechanism"]) == ("SASL_SSL", "OAUTHBEARER")
    assert given["sasl_oauth_token_provider"].extensions() == {"logicalCluster": "lkc-1"}
    assert given["ssl_context"].check_hostname


@pytest.mark.parametrize("option", ["ssl.curves.list=P-256", "sasl.oauthbearer.grant.type=jwt", "https.ca.location=/x"])
def test_what_only_librdkafka_knows_of_security_is_refused_for_a_worker(option: str) -> None:
    with pytest.raises(WrongSettingError, match="its client, aiokafka, knows nothing of " + option.partition("=")[0]):
        auth(KAFKA_LIBRDKAFKA_OPTIONS=f"socket.keepalive.enable=true,{option}")
    assert auth(KAFKA_LIBRDKAFKA_OPTIONS="socket.keepalive.enable=true") == {"security_protocol": "PLAINTEXT"}


def test_an_option_that_librdkafka_does_not_know_is_a_wrong_setting_of_a_worker_too() -> None:
    with pytest.raises(WrongSettingError, match=r"KAFKA_\* settings are wrong: .*no\.such\.setting"):
        auth(KAFKA_LIBRDKAFKA_OPTIONS="no.such.setting=1")


def test_a_file_that_is_no_certificate_is_a_wrong_setting(tmp_path: Path) -> None:
    pem = tmp_path / "client.pem"
    pem.write_text("no certificate")
    with pytest.raises(WrongSettingError, match="KAFKA_SSL_CERTIFICATE_FILE="):
        auth(KAFKA_SECURITY_PROTOCOL="SSL", KAFKA_SSL_CERTIFICATE_FILE=str(pem), KAFKA_SSL_KEY_FILE=str(pem))
    with pytest.raises(WrongSettingError, match="KAFKA_SSL_CA_FILE="):
        auth(KAFKA_SECURITY_PROTOCOL="SSL", KAFKA_SSL_CA_FILE=str(pem))


def test_the_app_reads_every_broker_and_keeps_what_loses_records_switched_off() -> None:
    conf: Any = create_app(settings(KAFKA_BOOTSTRAP_SERVERS="a:9092,b:9093")).conf
    assert [(url.host, url.port) for url in conf.broker] == [("a", 9092), ("b", 9093)]
    assert conf.processing_guarantee.value == "at_least_once"
    assert conf.stream_wait_empty
    assert not conf.web_enabled
    assert not conf.topic_allow_declare
    assert conf.table_standby_replicas == 0


def test_the_app_consumes_with_the_mended_consumer() -> None:
    assert create_app(settings()).transport.Consumer is Consumer


def test_two_apps_share_nothing() -> None:
    first, second = create_app(settings()), create_app(settings())
    assert first.offsets is not second.offsets
    assert first.transport is not second.transport


def test_a_rebalance_may_take_longer_than_the_drain() -> None:
    conf = create_app(settings(WORKER_DRAIN_SECONDS="50")).conf
    assert conf.broker_rebalance_timeout > 50


def test_a_record_is_free_of_faust() -> None:
    message = SimpleNamespace(
        topic="t", partition=1, offset=2, key=b"k", value=None, headers=[("h", b"v")], timestamp=3.0
    )
    record = record_of(message)
    assert (record.tp, record.offset, record.key, record.value) == (("t", 1), 2, b"k", None)
    assert record.headers == {"h": b"v"}
