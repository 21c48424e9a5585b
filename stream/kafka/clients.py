"""Configuration of the confluent-kafka clients, made from the settings."""

from collections.abc import Callable
from typing import Final, TypeVar

from confluent_kafka import KafkaException

from stream.kafka.broker_settings import OAUTHBEARER
from stream.settings import KafkaSettings, WrongSettingError
from stream.topics import DEAD_LETTER_MAX_BYTES

Config = dict[str, str | int | float | bool]
ClientT = TypeVar("ClientT")

# librdkafka's default partitioner agrees with the Java client's, and so with Faust's, on a quarter of the keys only.
PARTITIONER: Final = "murmur2_random"


def client_config(settings: KafkaSettings, *, client_id: str) -> Config:
    """Return what every client needs to reach the brokers."""
    return {
        **settings.librdkafka_options,
        "bootstrap.servers": settings.kafka_bootstrap_servers,
        "client.id": client_id,
        "security.protocol": settings.kafka_security_protocol,
        **_tls(settings),
        **_sasl(settings),
    }


def checked(make: Callable[[], ClientT]) -> ClientT:
    """Make a client, which is where librdkafka looks at its configuration.

    Raises:
        WrongSettingError: librdkafka refuses the configuration; its words are shown, which name no secret's value.
    """
    try:
        return make()
    except KafkaException as error:
        raise WrongSettingError(f"KAFKA_* settings are wrong: {error.args[0].str()}") from error


def producer_config(settings: KafkaSettings, *, client_id: str) -> Config:
    """Return the configuration of an idempotent producer that partitions by key as Faust does."""
    return client_config(settings, client_id=client_id) | {
        "acks": "all",
        "enable.idempotence": True,
        "partitioner": PARTITIONER,
        "message.max.bytes": DEAD_LETTER_MAX_BYTES,
    }


def reader_config(settings: KafkaSettings, *, client_id: str) -> Config:
    """Return the configuration of a consumer that is assigned partitions by hand and commits nothing."""
    return client_config(settings, client_id=client_id) | {
        "group.id": client_id,  # librdkafka asks for one; it is never joined and never committed to
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "enable.partition.eof": True,
    }


class KafkaUnreachableError(Exception):
    """Kafka did not answer in time; the message is one line for the operator."""


def _tls(settings: KafkaSettings) -> Config:
    files: Config = {
        "ssl.ca.location": settings.kafka_ssl_ca_file,
        "ssl.certificate.location": settings.kafka_ssl_certificate_file,
        "ssl.key.location": settings.kafka_ssl_key_file,
        "ssl.key.password": settings.kafka_ssl_key_password.reveal(),
    }
    return _given(files)


def _sasl(settings: KafkaSettings) -> Config:
    mechanism = settings.kafka_sasl_mechanism
    if not mechanism:
        return {}
    if mechanism == OAUTHBEARER:
        return {"sasl.mechanism": mechanism, "sasl.oauthbearer.method": "oidc", **_client_credentials(settings)}
    return {
        "sasl.mechanism": mechanism,
        "sasl.username": settings.kafka_sasl_username,
        "sasl.password": settings.kafka_sasl_password.reveal(),
    }


def _client_credentials(settings: KafkaSettings) -> Config:
    # librdkafka asks for tokens, and for new ones in time, in a thread of its own.
    return _given(
        {
            "sasl.oauthbearer.token.endpoint.url": settings.kafka_oauth_token_url,
            "sasl.oauthbearer.client.id": settings.kafka_oauth_client_id,
            "sasl.oauthbearer.client.secret": settings.kafka_oauth_client_secret.reveal(),
            "sasl.oauthbearer.scope": settings.kafka_oauth_scope,
            "sasl.oauthbearer.extensions": ",".join(settings.kafka_oauth_extensions),
            "https.ca.location": settings.kafka_oauth_ca_file,
        }
    )


def _given(config: Config) -> Config:
    return {name: value for name, value in config.items() if value != ""}
