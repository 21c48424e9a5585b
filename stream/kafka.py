"""Configuration of the confluent-kafka clients, made from the settings."""

from typing import Final

from stream.settings import KafkaSettings
from stream.topics import DEAD_LETTER_MAX_BYTES

Config = dict[str, str | int | float | bool]

# librdkafka's default partitioner agrees with the Java client's, and so with Faust's, on a quarter of the keys only.
PARTITIONER: Final = "murmur2_random"


def client_config(settings: KafkaSettings, *, client_id: str) -> Config:
    """Return what every client needs to reach the brokers."""
    config: Config = {
        "bootstrap.servers": settings.kafka_bootstrap_servers,
        "client.id": client_id,
        "security.protocol": settings.kafka_security_protocol,
    }
    if settings.kafka_sasl_mechanism:
        config["sasl.mechanism"] = settings.kafka_sasl_mechanism
        config["sasl.username"] = settings.kafka_sasl_username
        config["sasl.password"] = settings.kafka_sasl_password.reveal()
    if settings.kafka_ssl_ca_file:
        config["ssl.ca.location"] = settings.kafka_ssl_ca_file
    return config


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
