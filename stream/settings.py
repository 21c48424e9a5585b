"""Settings of each process: one frozen object, read from the environment and an optional .env file.

The environment wins over .env. A field's name in upper case is its variable. A wrong value raises `WrongSettingError`,
whose message is one line that names the variable, the value and what is allowed; secrets are never printed.
"""

import os
import typing
from collections.abc import Mapping
from pathlib import Path
from string import Formatter
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import msgspec
from dotenv import dotenv_values
from msgspec import Meta, Struct

Port = Annotated[int, Meta(ge=0, le=65535)]
Positive = Annotated[int, Meta(ge=1)]
PositiveSeconds = Annotated[float, Meta(gt=0)]
TopicName = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9._-]{1,200}$")]
Text = Annotated[str, Meta(min_length=1)]
HttpUrl = Annotated[str, Meta(pattern=r"^(https?://[^\s]+)?$")]


SettingsT = TypeVar("SettingsT", bound="KafkaSettings")


class WrongSettingError(Exception):
    """A setting is missing or wrong; the message is one line for the operator."""


class Secret:
    """A string that is shown nowhere by accident; `reveal()` hands it to the one client that needs it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the secret itself."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return "Secret('***')" if self._value else "Secret('')"


class KafkaSettings(Struct, frozen=True, kw_only=True):
    """What every process needs to know of Kafka and the topics."""

    kafka_bootstrap_servers: Annotated[Text, Meta(description="Brokers as host:port, separated by commas")] = (
        "127.0.0.1:9092"
    )
    kafka_security_protocol: Annotated[
        Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"],
        Meta(description="How to talk to the brokers"),
    ] = "PLAINTEXT"
    kafka_sasl_mechanism: Annotated[
        Literal["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"],
        Meta(description="SASL mechanism, empty for none"),
    ] = ""
    kafka_sasl_username: Annotated[str, Meta(description="SASL user name")] = ""
    kafka_sasl_password: Annotated[Secret, Meta(description="SASL password")] = Secret("")
    kafka_ssl_ca_file: Annotated[
        str, Meta(description="PEM file of the authorities to trust, empty for the system's")
    ] = ""
    topic_prefix: Annotated[
        str, Meta(pattern=r"^[a-zA-Z0-9._-]*$", description="Put before each topic's name, e.g. prod.")
    ] = ""
    topic_partitions: Annotated[
        int, Meta(ge=1, le=1024, description="Partitions of every topic; all topics have the same number")
    ] = 4
    topic_replication_factor: Annotated[
        int, Meta(ge=1, le=9, description="Copies of every partition; 3 in production")
    ] = 1
    topic_min_insync_replicas: Annotated[
        int,
        Meta(
            ge=1,
            le=9,
            description="Copies that must hold a record before it is acknowledged; 2 in production",
        ),
    ] = 1
    topic_retention_hours: Annotated[
        int,
        Meta(
            ge=1, le=8760, description="How long attachments, previews, lifecycle records and results are kept, hours"
        ),
    ] = 168
    dead_letter_retention_hours: Annotated[
        int, Meta(ge=1, le=87_600, description="How long dead letters are kept for a replay, hours")
    ] = 720
    worker_group: Annotated[
        TopicName, Meta(description="Kafka consumer group of the workers, and prefix of their tables' changelogs")
    ] = "attachment-previews"
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"], Meta(description="Least level that is logged")
    ] = "INFO"
    log_format: Annotated[Literal["json", "text"], Meta(description="One JSON object a line, or text")] = "json"


class BridgeSettings(KafkaSettings, frozen=True, kw_only=True):
    """The webhook bridge."""

    bridge_host: Annotated[Text, Meta(description="Address to listen on")] = "0.0.0.0"  # noqa: S104 - a pod's port
    bridge_port: Annotated[Port, Meta(description="Port to listen on; 0 takes a free one")] = 8080
    bridge_max_body_bytes: Annotated[Positive, Meta(description="Largest webhook body, bytes")] = 1_048_576
    bridge_queue_records: Annotated[
        Positive, Meta(description="Records that may wait for Kafka before 503 is answered")
    ] = 10_000
    bridge_delivery_timeout_seconds: Annotated[
        PositiveSeconds,
        Meta(description="How long a webhook waits for Kafka's acknowledgement before 503, seconds"),
    ] = 8.0
    bridge_linger_ms: Annotated[float, Meta(ge=0, le=1000, description="How long a batch waits to fill, ms")] = 2.0
    bridge_drain_seconds: Annotated[
        PositiveSeconds, Meta(description="How long SIGTERM waits for requests in flight, seconds")
    ] = 20.0
    webhook_secret: Annotated[
        Secret, Meta(description="Open Messaging webhook secret; when set, X-Hub-Signature-256 is required")
    ] = Secret("")


def load(kind: type[SettingsT], environ: Mapping[str, str] | None = None, env_file: Path | None = None) -> SettingsT:
    """Read the settings of one process.

    Args:
        kind: The settings class of the process.
        environ: Variables; the process's own environment when None.
        env_file: An optional file of NAME=value lines, which the environment overrides; ./.env when None.

    Raises:
        WrongSettingError: One line that names the variable, the value and what is allowed.
    """
    given = {name: value or "" for name, value in dotenv_values(env_file or Path(".env")).items()}
    given |= os.environ if environ is None else environ  # noqa: TID251 - this is the one place
    hints = typing.get_type_hints(kind, include_extras=True)
    values = {
        name: _convert(name.upper(), given[name.upper()], hints[name])
        for name in kind.__struct_fields__
        if given.get(name.upper(), "") != ""  # an empty variable is an unset one, as in every compose file
    }
    return kind(**values)


def _convert(variable: str, text: str, hint: Any) -> Any:
    base = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    if base is Secret:
        return Secret(text)
    raw: Any = text
    if get_origin(base) is tuple:
        raw = tuple(part.strip() for part in text.split(",") if part.strip())
    try:
        return msgspec.convert(raw, hint, strict=False)
    except msgspec.ValidationError as error:
        allowed = f"{error}; {description(hint)}"
        raise wrong(variable, text, allowed) from error


def description(hint: Any) -> str:
    """Return the sentence that describes a setting, from its annotation."""
    return "; ".join(meta.description for meta in get_args(hint)[1:] if isinstance(meta, Meta) and meta.description)


def wrong(variable: str, value: str, allowed: str) -> WrongSettingError:
    given = f"{variable}={value!r} is wrong" if value else f"{variable} is not set"
    return WrongSettingError(f"{given}: {allowed}")


def require(satisfied: bool, variable: str, value: str, allowed: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not satisfied:
        raise wrong(variable, value, allowed)


def require_placeholders(variable: str, template: str, known: set[str], *, needed: str) -> None:
    try:
        names = {name for _, name, _, _ in Formatter().parse(template) if name is not None}
    except ValueError as error:
        raise wrong(variable, template, f"not a template: {error}") from error
    allowed = ", ".join(f"{{{name}}}" for name in sorted(known))
    require(names <= known, variable, template, f"placeholders allowed: {allowed}")
    require(needed in names, variable, template, f"must contain {{{needed}}}")
