"""Settings of each process: one frozen object, read from the environment and an optional .env file.

The environment wins over .env. A field's name in upper case is its variable. A wrong value raises `WrongSettingError`,
whose message is one line that names the variable, the value and what is allowed; secrets are never printed.
"""

import os
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar

from msgspec import Meta

from stream.arrival import EventSource
from stream.authenticity import Credentials, read_credentials
from stream.authenticity.certificates import CertificateHeader, TrustedProxies, network_of
from stream.authenticity.credentials import ALLOWED, hub_secrets
from stream.kafka.broker_settings import HttpUrl
from stream.tracing.settings import TracingSettings
from stream.variables import (
    Secret,
    WrongSettingError,
    convert,
    read_env_file,
    require,
    require_placeholders,
    wrong,
)

__all__ = [
    "BridgeSettings",
    "HttpUrl",
    "KafkaSettings",
    "OwnHosts",
    "Port",
    "Positive",
    "PositiveSeconds",
    "Secret",
    "Text",
    "TopicName",
    "WrongSettingError",
    "load",
    "require",
    "require_placeholders",
    "wrong",
]

ENV_FILE: Final = Path(".env")

Port = Annotated[int, Meta(ge=0, le=65535)]
Positive = Annotated[int, Meta(ge=1)]
PositiveSeconds = Annotated[float, Meta(gt=0)]
TopicName = Annotated[
    str, Meta(pattern=r"^[a-zA-Z0-9._-]{1,200}$", extra={"form": "1 to 200 of letters, digits, dot, _ and -"})
]
TopicPrefix = Annotated[
    str, Meta(pattern=r"^[a-zA-Z0-9._-]{0,200}$", extra={"form": "letters, digits, dot, _ and -, or empty"})
]
Text = Annotated[str, Meta(min_length=1)]
Rate = Annotated[float, Meta(ge=0)]
OwnHosts = Annotated[
    tuple[str, ...],
    Meta(description="Hosts that serve our previews, separated by commas; webhooks about files there are ignored"),
]
Proofs = Annotated[Secret, Meta(extra={"form": ALLOWED + ", or empty"})]

SettingsT = TypeVar("SettingsT", bound="KafkaSettings")


class KafkaSettings(TracingSettings, frozen=True, kw_only=True):
    """What every process needs to know of Kafka and the topics."""

    topic_prefix: Annotated[TopicPrefix, Meta(description="Put before each topic's name, e.g. prod.")] = ""
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
        TopicName,
        Meta(description="Kafka consumer group of the workers, after TOPIC_PREFIX; their tables' changelogs follow it"),
    ] = "attachment-previews"
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"], Meta(description="Least level that is logged")
    ] = "INFO"
    log_format: Annotated[Literal["json", "text"], Meta(description="One JSON object a line, or text")] = "json"

    @property
    def group(self) -> str:
        """The consumer group: another prefix is another group, so that two deployments never share tables."""
        return f"{self.topic_prefix}{self.worker_group}"

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self.topic_min_insync_replicas <= self.topic_replication_factor,
            "TOPIC_MIN_INSYNC_REPLICAS",
            str(self.topic_min_insync_replicas),
            f"at most TOPIC_REPLICATION_FACTOR, which is {self.topic_replication_factor}",
        )


class BridgeSettings(KafkaSettings, frozen=True, kw_only=True):
    """The webhook bridge."""

    bridge_host: Annotated[Text, Meta(description="Address to listen on")] = "0.0.0.0"  # noqa: S104 - a pod's port
    bridge_port: Annotated[Port, Meta(description="Port to listen on; 0 takes a free one")] = 8080
    bridge_max_body_bytes: Annotated[Positive, Meta(description="Largest webhook body, bytes")] = 1_048_576
    bridge_body_timeout_seconds: Annotated[
        PositiveSeconds, Meta(description="How long a sender may take for a webhook's body, seconds")
    ] = 5.0
    bridge_max_bodies_bytes: Annotated[
        Positive, Meta(description="What bodies that are still being read may hold together before 503, bytes")
    ] = 67_108_864
    bridge_max_header_bytes: Annotated[
        int, Meta(ge=8192, le=1_048_576, description="Largest head of a request before 431, bytes")
    ] = 65_536
    bridge_idle_timeout_seconds: Annotated[
        PositiveSeconds,
        Meta(description="How long a connection may take for a request's headers, and rest between two, seconds"),
    ] = 15.0
    bridge_max_connections: Annotated[
        int, Meta(ge=1, le=65_535, description="Connections served at once; others wait to be accepted")
    ] = 1024
    bridge_queue_records: Annotated[
        Positive, Meta(description="Records that may wait for Kafka before 503 is answered")
    ] = 10_000
    bridge_delivery_timeout_seconds: Annotated[
        PositiveSeconds,
        Meta(description="How long a webhook waits for Kafka's acknowledgement before 503 or the spool, seconds"),
    ] = 4.0
    bridge_linger_ms: Annotated[float, Meta(ge=0, le=1000, description="How long a batch waits to fill, ms")] = 2.0
    bridge_spool_dir: Annotated[
        str,
        Meta(
            description="Folder, on a disk that outlives the process, where events wait while Kafka is away; "
            "of one bridge alone",
            extra={"form": "a folder, or empty for no spool"},
        ),
    ] = ""
    bridge_spool_max_bytes: Annotated[
        Positive,
        Meta(description="Events that the spool may hold, bytes; the disk needs a quarter and 16 MB more"),
    ] = 1_073_741_824
    bridge_pre_stop_seconds: Annotated[
        float,
        Meta(
            ge=0,
            description="How long SIGTERM lets webhooks come while /readyz is off already, seconds; "
            "as long as the load balancer needs to notice",
        ),
    ] = 0.0
    bridge_drain_seconds: Annotated[
        PositiveSeconds, Meta(description="How long SIGTERM, after that, waits for requests in flight, seconds")
    ] = 20.0
    bridge_access_log: Annotated[
        Literal["all", "refused", "off"],
        Meta(description="Which webhooks get a log line: each, those not answered 2xx, or none"),
    ] = "all"
    webhook_secret: Annotated[
        Secret,
        Meta(
            description="Secret for X-Hub-Signature-256, as Open Messaging signs, of sources without credentials of "
            "their own; several separated by commas"
        ),
    ] = Secret("")
    webhook_tutorial_credentials: Annotated[
        Proofs, Meta(description="Who may post to /webhooks/genesys/attachments: any of these")
    ] = Secret("")
    webhook_open_messaging_credentials: Annotated[
        Proofs, Meta(description="Who may post to /webhooks/genesys/open-messaging: any of these")
    ] = Secret("")
    webhook_notifications_credentials: Annotated[
        Proofs, Meta(description="Who may post to /webhooks/genesys/notifications: any of these")
    ] = Secret("")
    webhook_messages_credentials: Annotated[
        Proofs, Meta(description="Who may post to /webhooks/genesys/messages: any of these")
    ] = Secret("")
    webhook_allow_unauthenticated: Annotated[
        bool, Meta(description="Take webhooks from anybody who reaches the port, for sources without credentials")
    ] = False
    webhook_trusted_proxies: Annotated[
        tuple[str, ...],
        Meta(description="Addresses or networks of proxies whose word on client certificates counts, e.g. 10.0.0.0/8"),
    ] = ()
    webhook_client_certificate_header: Annotated[
        CertificateHeader,
        Meta(description="Header in which the trusted proxies tell of the client certificate: Envoy's, or nginx's two"),
    ] = "X-Forwarded-Client-Cert"
    webhook_tutorial_requests_per_second: Annotated[
        Rate, Meta(description="Rate of /webhooks/genesys/attachments before 429, a process; 0 for any")
    ] = 0.0
    webhook_open_messaging_requests_per_second: Annotated[
        Rate, Meta(description="Rate of /webhooks/genesys/open-messaging before 429, a process; 0 for any")
    ] = 0.0
    webhook_notifications_requests_per_second: Annotated[
        Rate, Meta(description="Rate of /webhooks/genesys/notifications before 429, a process; 0 for any")
    ] = 0.0
    webhook_messages_requests_per_second: Annotated[
        Rate, Meta(description="Rate of /webhooks/genesys/messages before 429, a process; 0 for any")
    ] = 0.0
    webhook_own_hosts: OwnHosts = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self.bridge_linger_ms < self.bridge_delivery_timeout_seconds * 500,
            "BRIDGE_LINGER_MS",
            f"{self.bridge_linger_ms:g}",
            "less than half of BRIDGE_DELIVERY_TIMEOUT_SECONDS",
        )
        self._require_proxies()

    @property
    def trusted_proxies(self) -> TrustedProxies:
        """The proxies whose word on client certificates counts."""
        networks = tuple(map(network_of, self.webhook_trusted_proxies))
        return TrustedProxies(networks, self.webhook_client_certificate_header)

    def credentials(self, source: EventSource) -> Credentials:
        """Return the credentials of a source, or WEBHOOK_SECRET where it has none of its own."""
        name = _of_source(source, "credentials")
        return read_credentials(name.upper(), getattr(self, name)) or hub_secrets(self.webhook_secret)

    def requests_per_second(self, source: EventSource) -> float:
        """Return the rate of a source, 0 for any."""
        rate: float = getattr(self, _of_source(source, "requests_per_second"))
        return rate

    def _require_proxies(self) -> None:
        for proxy in self.webhook_trusted_proxies:
            try:
                network_of(proxy)
            except ValueError as error:
                raise wrong("WEBHOOK_TRUSTED_PROXIES", proxy, f"an address or a network: {error}") from error
        for source in EventSource:
            variable = _of_source(source, "credentials").upper()
            allowed = f"needed with mtls in {variable}: addresses or networks, separated by commas"
            with_mtls = bool(self.credentials(source).mtls)
            require(not with_mtls or bool(self.webhook_trusted_proxies), "WEBHOOK_TRUSTED_PROXIES", "", allowed)


def _of_source(source: EventSource, what: str) -> str:
    return f"webhook_{source.replace('-', '_')}_{what}"


def load(kind: type[SettingsT], environ: Mapping[str, str] | None = None, env_file: Path | None = None) -> SettingsT:
    """Read the settings of one process.

    Args:
        kind: The settings class of the process.
        environ: Variables; the process's own environment when None.
        env_file: An optional file of NAME=value lines, which the environment overrides; ./.env when None.

    Raises:
        WrongSettingError: One line that names the variable, the value and what is allowed.
    """
    variables = os.environ if environ is None else environ  # noqa: TID251 - this is the one place
    given = {**read_env_file(env_file or ENV_FILE), **variables}
    hints = typing.get_type_hints(kind, include_extras=True)
    values = {
        name: convert(name.upper(), given[name.upper()], hints[name])
        for name in kind.__struct_fields__
        if given.get(name.upper(), "") != ""  # an empty variable is an unset one, as in every compose file
    }
    return kind(**values)
