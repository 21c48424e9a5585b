"""How to reach the brokers and how to prove oneself to them: the same settings for librdkafka and for aiokafka.

What only librdkafka knows goes through KAFKA_LIBRDKAFKA_OPTIONS; the worker's client is aiokafka, which never sees it.
"""

import re
from pathlib import Path
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from stream.variables import Secret, require, wrong

OAUTHBEARER: Final = "OAUTHBEARER"
OPTIONS: Final = "KAFKA_LIBRDKAFKA_OPTIONS"
OPTIONS_FORM: Final = "name=value of librdkafka, several separated by commas"
# What delivery rests on, and what has a setting of its own.
RESERVED_OPTIONS: Final = frozenset(
    {
        "acks",
        "auto.offset.reset",
        "batch.num.messages",
        "bootstrap.servers",
        "client.id",
        "delivery.report.only.error",
        "delivery.timeout.ms",
        "enable.auto.commit",
        "enable.idempotence",
        "enable.partition.eof",
        "group.id",
        "linger.ms",
        "max.in.flight",
        "max.in.flight.requests.per.connection",
        "message.max.bytes",
        "message.send.max.retries",
        "message.timeout.ms",
        "metadata.broker.list",
        "partitioner",
        "queue.buffering.max.kbytes",
        "queue.buffering.max.messages",
        "queue.buffering.max.ms",
        "request.required.acks",
        "retries",
        "security.protocol",
        "transactional.id",
    }
)
_BETWEEN_OPTIONS: Final = re.compile(r"\s*,\s*(?=[a-z][a-z0-9.]*=)")  # a value may hold commas: debug=broker,security

Servers = Annotated[
    str,
    Meta(
        pattern=r"^\s*([^\s,:/\[\]]+|\[[0-9a-fA-F:.]+\]):[0-9]{1,5}(\s*,\s*([^\s,:/\[\]]+|\[[0-9a-fA-F:.]+\]):[0-9]{1,5})*\s*$",
        extra={"form": "host:port, several separated by commas"},
    ),
]
HttpUrl = Annotated[
    str, Meta(pattern=r"^(https?://[^\s]+)?$", extra={"form": "an http:// or https:// address, or empty"})
]
PemFile = Annotated[str, Meta(extra={"form": "a PEM file that exists, or empty"})]


class BrokerSettings(Struct, frozen=True, kw_only=True):
    """What every client needs to reach the brokers."""

    kafka_bootstrap_servers: Annotated[Servers, Meta(description="Brokers to start from")] = "127.0.0.1:9092"
    kafka_security_protocol: Annotated[
        Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"],
        Meta(description="How to talk to the brokers"),
    ] = "PLAINTEXT"
    kafka_sasl_mechanism: Annotated[
        Literal["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"],
        Meta(description="SASL mechanism, empty for none"),
    ] = ""
    kafka_sasl_username: Annotated[str, Meta(description="User name of PLAIN and SCRAM")] = ""
    kafka_sasl_password: Annotated[Secret, Meta(description="Password of PLAIN and SCRAM")] = Secret("")
    kafka_oauth_token_url: Annotated[
        HttpUrl, Meta(description="Token endpoint of OAUTHBEARER, asked for client credentials")
    ] = ""
    kafka_oauth_client_id: Annotated[str, Meta(description="Client of OAUTHBEARER")] = ""
    kafka_oauth_client_secret: Annotated[Secret, Meta(description="Its secret")] = Secret("")
    kafka_oauth_scope: Annotated[str, Meta(description="Scope to ask for, empty for the endpoint's own")] = ""
    kafka_oauth_extensions: Annotated[
        tuple[str, ...], Meta(description="SASL extensions of OAUTHBEARER, each name=value")
    ] = ()
    kafka_oauth_ca_file: Annotated[
        PemFile, Meta(description="Authorities to trust for the token endpoint, empty for the system's")
    ] = ""
    kafka_ssl_ca_file: Annotated[
        PemFile, Meta(description="Authorities to trust for the brokers, empty for the system's")
    ] = ""
    kafka_ssl_certificate_file: Annotated[
        PemFile, Meta(description="Our certificate for mTLS, with what its authority adds to it; empty for none")
    ] = ""
    kafka_ssl_key_file: Annotated[PemFile, Meta(description="Key of our certificate")] = ""
    kafka_ssl_key_password: Annotated[Secret, Meta(description="Password of the key, empty for none")] = Secret("")
    kafka_librdkafka_options: Annotated[
        Secret,
        Meta(
            description="Further settings of librdkafka, for the bridge and the commands; the worker's client is "
            "another and takes none of them, so it refuses those of sasl., ssl. and https.",
            extra={"form": f"{OPTIONS_FORM}, or empty"},
        ),
    ] = Secret("")

    @property
    def is_encrypted(self) -> bool:
        """Whether the brokers are spoken to over TLS."""
        return self.kafka_security_protocol.endswith("SSL")

    @property
    def librdkafka_options(self) -> dict[str, str]:
        """The further settings of librdkafka by name."""
        return _options(self.kafka_librdkafka_options.reveal())

    @property
    def oauth_extensions(self) -> dict[str, str]:
        """The SASL extensions by name."""
        return dict(extension.split("=", 1) for extension in self.kafka_oauth_extensions)

    def __post_init__(self) -> None:
        _require_files(
            KAFKA_OAUTH_CA_FILE=self.kafka_oauth_ca_file,
            KAFKA_SSL_CA_FILE=self.kafka_ssl_ca_file,
            KAFKA_SSL_CERTIFICATE_FILE=self.kafka_ssl_certificate_file,
            KAFKA_SSL_KEY_FILE=self.kafka_ssl_key_file,
        )
        self._require_sasl()
        self._require_certificate()
        for extension in self.kafka_oauth_extensions:
            named = bool(extension.partition("=")[0]) and "=" in extension
            require(named, "KAFKA_OAUTH_EXTENSIONS", extension, "name=value, several separated by commas")
        reserved = RESERVED_OPTIONS & self.librdkafka_options.keys()
        for name in sorted(reserved):
            raise wrong(OPTIONS, name, f"{name} is set by the product; what may be set is {OPTIONS_FORM}")

    def _require_sasl(self) -> None:
        protocol, mechanism = self.kafka_security_protocol, self.kafka_sasl_mechanism
        if not protocol.startswith("SASL"):
            allowed = f"empty with KAFKA_SECURITY_PROTOCOL={protocol}; SASL_SSL or SASL_PLAINTEXT uses it"
            require(not mechanism, "KAFKA_SASL_MECHANISM", mechanism, allowed)
            return
        needed = f"needed with KAFKA_SECURITY_PROTOCOL={protocol}"
        every = "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER"
        require(bool(mechanism), "KAFKA_SASL_MECHANISM", "", f"{every}, {needed}")
        proof: dict[str, str | Secret] = (
            {
                "KAFKA_OAUTH_TOKEN_URL": self.kafka_oauth_token_url,
                "KAFKA_OAUTH_CLIENT_ID": self.kafka_oauth_client_id,
                "KAFKA_OAUTH_CLIENT_SECRET": self.kafka_oauth_client_secret,
            }
            if mechanism == OAUTHBEARER
            else {"KAFKA_SASL_USERNAME": self.kafka_sasl_username, "KAFKA_SASL_PASSWORD": self.kafka_sasl_password}
        )
        for variable, value in proof.items():
            require(bool(value), variable, "", f"{needed} and KAFKA_SASL_MECHANISM={mechanism}")

    def _require_certificate(self) -> None:
        certificate, key = self.kafka_ssl_certificate_file, self.kafka_ssl_key_file
        require(bool(key) or not certificate, "KAFKA_SSL_KEY_FILE", "", "needed with KAFKA_SSL_CERTIFICATE_FILE")
        require(bool(certificate) or not key, "KAFKA_SSL_CERTIFICATE_FILE", "", "needed with KAFKA_SSL_KEY_FILE")
        allowed = f"empty with KAFKA_SECURITY_PROTOCOL={self.kafka_security_protocol}; SSL or SASL_SSL uses it"
        require(self.is_encrypted or not certificate, "KAFKA_SSL_CERTIFICATE_FILE", certificate, allowed)


def _require_files(**files: str) -> None:
    for variable, path in files.items():
        require(not path or Path(path).is_file(), variable, path, "a PEM file that exists")


def _options(text: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in _BETWEEN_OPTIONS.split(text.strip()) if part]
    for name, equals, _ in pairs:
        if not equals or not name.strip():  # the text may hold a secret, so it is not repeated
            raise wrong(OPTIONS, "***", OPTIONS_FORM)
    return {name.strip(): value.strip() for name, _, value in pairs}
