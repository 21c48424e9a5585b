import json
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.settings import BridgeSettings, KafkaSettings, Secret, WrongSettingError, load
from stream.settings_page import effective

NO_FILE = Path("no-such-folder/.env")
SASL = {
    "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
    "KAFKA_SASL_USERNAME": "bridge",
    "KAFKA_SASL_PASSWORD": "hidden-password",
}


def complaint(environ: Mapping[str, str], env_file: Path = NO_FILE) -> str:
    with pytest.raises(WrongSettingError) as caught:
        load(BridgeSettings, environ, env_file)
    return str(caught.value)


def test_nothing_has_to_be_set_for_the_bridge() -> None:
    assert load(BridgeSettings, {}, NO_FILE) == BridgeSettings()


def test_every_kind_of_value_is_read() -> None:
    settings = load(
        BridgeSettings,
        {
            "KAFKA_BOOTSTRAP_SERVERS": "a.example.com:9092, [::1]:9093",
            "TOPIC_PARTITIONS": " 12 ",
            "BRIDGE_LINGER_MS": "0.5",
            "LOG_LEVEL": "DEBUG",
            "WEBHOOK_SECRET": "s3cret",
            "WEBHOOK_OWN_HOSTS": "cdn.example.com, , s3.example.com",
            "UNKNOWN_TO_US": "ignored",
        },
        NO_FILE,
    )
    assert settings.kafka_bootstrap_servers == "a.example.com:9092, [::1]:9093"
    assert settings.topic_partitions == 12
    assert settings.bridge_linger_ms == 0.5
    assert settings.log_level == "DEBUG"
    assert settings.webhook_secret.reveal() == "s3cret"
    assert settings.webhook_own_hosts == ("cdn.example.com", "s3.example.com")


def test_an_empty_variable_counts_as_unset() -> None:
    assert load(KafkaSettings, {"TOPIC_PARTITIONS": "", "LOG_LEVEL": ""}, NO_FILE) == KafkaSettings()


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("TOPIC_PARTITIONS", "0", "a whole number from 1 to 1024"),
        ("TOPIC_PARTITIONS", "many", "a whole number from 1 to 1024"),
        ("BRIDGE_DELIVERY_TIMEOUT_SECONDS", "-1", "a number greater than 0"),
        ("BRIDGE_DELIVERY_TIMEOUT_SECONDS", "nan", "a number greater than 0"),
        ("BRIDGE_DELIVERY_TIMEOUT_SECONDS", "inf", "a number greater than 0"),
        ("BRIDGE_MAX_BODY_BYTES", "1MB", "a whole number at least 1"),
        ("LOG_LEVEL", "LOUD", "one of DEBUG, INFO, WARNING, ERROR"),
        ("KAFKA_SASL_MECHANISM", "KERBEROS", "one of (empty), PLAIN, SCRAM-SHA-256, SCRAM-SHA-512"),
        ("KAFKA_BOOTSTRAP_SERVERS", "broker", "host:port, several separated by commas"),
        ("KAFKA_BOOTSTRAP_SERVERS", "http://broker:9092", "host:port, several separated by commas"),
        ("TOPIC_PREFIX", "a/b", "letters, digits, dot, _ and -, or empty"),
        ("KAFKA_SSL_CA_FILE", "no-such.pem", "a PEM file that exists"),
        ("BRIDGE_MAX_HEADER_BYTES", "100", "a whole number from 8192 to 1048576"),
        ("BRIDGE_PRE_STOP_SECONDS", "-1", "a number at least 0"),
        ("WEBHOOK_MESSAGES_REQUESTS_PER_SECOND", "-1", "a number at least 0"),
        ("WEBHOOK_ALLOW_UNAUTHENTICATED", "maybe", "one of true, yes"),
        ("WEBHOOK_CLIENT_CERTIFICATE_HEADER", "X-Client", "one of X-Forwarded-Client-Cert, "),
        ("WEBHOOK_TRUSTED_PROXIES", "10.0.0.0/33", "an address or a network"),
    ],
)
def test_a_wrong_value_is_one_line_with_variable_value_and_what_is_allowed(
    variable: str, value: str, allowed: str
) -> None:
    said = complaint({variable: value})
    assert said.startswith(f"{variable}={value!r} is wrong: {allowed}")
    assert "\n" not in said


@given(st.text(min_size=1), st.sampled_from(["TOPIC_PARTITIONS", "LOG_FORMAT", "BRIDGE_LINGER_MS", "BRIDGE_PORT"]))
def test_any_text_is_a_setting_or_a_one_line_complaint(text: str, variable: str) -> None:
    said = [f"{variable}="]
    try:
        load(BridgeSettings, {variable: text}, NO_FILE)
    except WrongSettingError as error:
        said = str(error).splitlines()
    assert len(said) == 1
    assert said[0].startswith(f"{variable}=")


@pytest.mark.parametrize("missing", ["KAFKA_SASL_MECHANISM", "KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD"])
def test_sasl_is_complete_or_refused(missing: str) -> None:
    load(KafkaSettings, SASL, NO_FILE)
    said = complaint({name: value for name, value in SASL.items() if name != missing})
    assert said.startswith(f"{missing} is not set")
    assert "KAFKA_SECURITY_PROTOCOL=SASL_SSL" in said


def test_a_mechanism_without_sasl_is_refused_rather_than_sent_in_the_clear() -> None:
    assert complaint({"KAFKA_SASL_MECHANISM": "PLAIN"}).startswith("KAFKA_SASL_MECHANISM='PLAIN' is wrong: empty with")


OAUTH = {
    "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "KAFKA_SASL_MECHANISM": "OAUTHBEARER",
    "KAFKA_OAUTH_TOKEN_URL": "https://login.example.com/token",
    "KAFKA_OAUTH_CLIENT_ID": "bridge",
    "KAFKA_OAUTH_CLIENT_SECRET": "hidden-secret",
}


@pytest.mark.parametrize(
    "missing", ["KAFKA_OAUTH_TOKEN_URL", "KAFKA_OAUTH_CLIENT_ID", "KAFKA_OAUTH_CLIENT_SECRET", "KAFKA_SASL_MECHANISM"]
)
def test_oauthbearer_is_complete_or_refused(missing: str) -> None:
    load(KafkaSettings, OAUTH, NO_FILE)
    said = complaint({name: value for name, value in OAUTH.items() if name != missing})
    assert said.startswith(f"{missing} is not set")
    assert "hidden" not in said


@pytest.mark.parametrize("extension", ["logicalCluster", "=lkc-1"])
def test_an_extension_of_oauthbearer_has_a_name_and_a_value(extension: str) -> None:
    good = load(KafkaSettings, OAUTH | {"KAFKA_OAUTH_EXTENSIONS": "logicalCluster=lkc-1, identityPoolId=a=b"}, NO_FILE)
    assert good.oauth_extensions == {"logicalCluster": "lkc-1", "identityPoolId": "a=b"}
    assert complaint(OAUTH | {"KAFKA_OAUTH_EXTENSIONS": extension}).startswith("KAFKA_OAUTH_EXTENSIONS=")


def test_a_certificate_needs_its_key_and_tls(tmp_path: Path) -> None:
    pem = tmp_path / "client.pem"
    pem.write_text("a certificate")
    tls, certificate, key = (
        {"KAFKA_SECURITY_PROTOCOL": "SSL"},
        {"KAFKA_SSL_CERTIFICATE_FILE": str(pem)},
        {"KAFKA_SSL_KEY_FILE": str(pem)},
    )
    assert load(KafkaSettings, tls | certificate | key, NO_FILE).is_encrypted
    assert complaint(tls | certificate).startswith("KAFKA_SSL_KEY_FILE is not set")
    assert complaint(tls | key).startswith("KAFKA_SSL_CERTIFICATE_FILE is not set")
    assert complaint(certificate | key).endswith(
        "empty with KAFKA_SECURITY_PROTOCOL=PLAINTEXT; SSL or SASL_SSL uses it"
    )


def test_options_of_librdkafka_are_told_apart_although_a_value_may_hold_commas() -> None:
    options = "debug=broker,security, socket.keepalive.enable=true,ssl.cipher.suites=A:B"
    settings = load(KafkaSettings, {"KAFKA_LIBRDKAFKA_OPTIONS": options}, NO_FILE)
    assert settings.librdkafka_options == {
        "debug": "broker,security",
        "socket.keepalive.enable": "true",
        "ssl.cipher.suites": "A:B",
    }


@pytest.mark.parametrize(
    "name", ["acks", "enable.idempotence", "partitioner", "bootstrap.servers", "message.timeout.ms"]
)
def test_no_option_weakens_what_delivery_rests_on(name: str) -> None:
    said = complaint({"KAFKA_LIBRDKAFKA_OPTIONS": f"debug=broker,{name}=hidden"})
    assert said.startswith(f"KAFKA_LIBRDKAFKA_OPTIONS={name!r} is wrong: {name} is set by the product")
    assert "hidden" not in said


def test_options_that_are_none_are_refused_and_not_repeated() -> None:
    said = complaint({"KAFKA_LIBRDKAFKA_OPTIONS": "hidden"})
    assert said == "KAFKA_LIBRDKAFKA_OPTIONS='***' is wrong: name=value of librdkafka, several separated by commas"


def test_more_replicas_in_sync_than_copies_could_never_be_written() -> None:
    said = complaint({"TOPIC_MIN_INSYNC_REPLICAS": "2"})
    assert said == "TOPIC_MIN_INSYNC_REPLICAS='2' is wrong: at most TOPIC_REPLICATION_FACTOR, which is 1"


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("# ours\nTOPIC_PARTITIONS=6\nexport LOG_LEVEL='ERROR' # loud enough\nTOPIC_PREFIX=\"a.\"\n")
    settings = load(KafkaSettings, {"TOPIC_PARTITIONS": "7"}, env_file)
    assert (settings.topic_partitions, settings.log_level, settings.topic_prefix) == (7, "ERROR", "a.")


def test_values_of_the_file_are_taken_as_they_stand(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("WEBHOOK_SECRET=a${HOME}b\n")
    assert load(BridgeSettings, {}, env_file).webhook_secret.reveal() == "a${HOME}b"


@pytest.mark.parametrize("line", ["WEBHOOK SECRET=hidden", "WEBHOOK_SECRET", '="hidden"', 'WEBHOOK_SECRET="hidden'])
def test_a_wrong_line_of_the_file_is_named_and_not_repeated(tmp_path: Path, line: str) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text(f"TOPIC_PARTITIONS=6\n\n{line}\nLOG_LEVEL=INFO\n")
    said = complaint({}, env_file)
    assert said.startswith(f"{env_file} line 3 is wrong: NAME=value")
    assert "hidden" not in said


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_bytes(b"A=\xff\xfe\n")
    assert complaint({}, env_file).startswith(f"{env_file} cannot be read")


@given(st.text(min_size=1))
def test_a_secret_is_shown_nowhere(value: str) -> None:
    assert ways_to_show(Secret(value)) == ways_to_show(Secret("another"))
    assert Secret(value).reveal() == value


def ways_to_show(secret: Secret) -> list[str]:
    return [
        repr(secret),
        str(secret),
        f"{secret}",
        "%s %r" % (secret, secret),  # noqa: UP031 - the old way must be safe too
        json.dumps({"secret": secret}, default=str),
        msgspec.json.encode({"secret": secret}, enc_hook=str).decode(),
        repr(BridgeSettings(webhook_secret=secret)),
        effective(BridgeSettings(webhook_secret=secret)),
    ]


def test_a_secret_cannot_be_encoded_by_accident() -> None:
    with pytest.raises(TypeError):
        msgspec.json.encode(BridgeSettings(webhook_secret=Secret("hidden")))
    with pytest.raises(TypeError):
        json.dumps(Secret("hidden"))


def test_secrets_compare_by_value() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert {Secret("a"), Secret("a")} == {Secret("a")}
    assert not Secret("")


def test_what_is_in_force_is_told_in_the_form_it_is_set() -> None:
    settings = BridgeSettings(webhook_own_hosts=("a", "b"), bridge_linger_ms=2.0, webhook_secret=Secret("hidden"))
    lines = effective(settings).splitlines()
    assert {"WEBHOOK_OWN_HOSTS=a,b", "BRIDGE_LINGER_MS=2", "WEBHOOK_SECRET=***", "KAFKA_SASL_PASSWORD="} <= set(lines)


def test_a_wrong_credential_is_named_by_its_source_and_place_and_not_shown() -> None:
    said = complaint({"WEBHOOK_OPEN_MESSAGING_CREDENTIALS": "hub:hidden,hidden"})
    assert said.startswith("WEBHOOK_OPEN_MESSAGING_CREDENTIALS is wrong in entry 2: scheme:value")
    assert "hidden" not in said


def test_client_certificates_need_a_proxy_to_trust() -> None:
    certificates = {"WEBHOOK_NOTIFICATIONS_CREDENTIALS": "mtls:cn=genesys"}
    said = complaint(certificates)
    assert said.startswith("WEBHOOK_TRUSTED_PROXIES is not set: needed with mtls in WEBHOOK_NOTIFICATIONS_CREDENTIALS")
    good = load(BridgeSettings, certificates | {"WEBHOOK_TRUSTED_PROXIES": "10.0.0.0/8, 192.0.2.7"}, NO_FILE)
    assert good.trusted_proxies.include("192.0.2.7")
    assert not good.trusted_proxies.include("192.0.2.8")
