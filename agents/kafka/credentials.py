"""How Faust proves itself to the brokers: what stream/kafka/clients.py tells librdkafka, told to aiokafka."""

import ssl
import time
from typing import Final

from confluent_kafka.admin import AdminClient
from faust.auth import Credentials, OAuthCredentials, SASLCredentials, SSLCredentials

from agents.kafka.access_token import AccessToken, ClientCredentials
from agents.settings import WorkerSettings
from stream.kafka.broker_settings import OAUTHBEARER, OPTIONS
from stream.kafka.clients import checked, client_config
from stream.settings import WrongSettingError

UNKNOWN_TO_AIOKAFKA: Final = ("sasl.", "ssl.", "https.", "enable.ssl.", "enable.sasl.")


def broker_credentials(settings: WorkerSettings) -> Credentials | None:
    """Return Faust's credentials for the security protocol of the settings, None for plain text.

    Raises:
        WrongSettingError: aiokafka cannot do what the settings ask for, or a file of them cannot be used.
    """
    _check_options(settings)
    context = _context(settings) if settings.is_encrypted else None
    if settings.kafka_sasl_mechanism == OAUTHBEARER:
        return OAuthCredentials(oauth_cb=_access_token(settings), ssl_context=context)
    if settings.kafka_sasl_mechanism:
        return SASLCredentials(
            username=settings.kafka_sasl_username,
            password=settings.kafka_sasl_password.reveal(),
            mechanism=settings.kafka_sasl_mechanism,
            ssl_context=context,
        )
    return SSLCredentials(context) if context else None


def _check_options(settings: WorkerSettings) -> None:
    unknown = sorted(name for name in settings.librdkafka_options if name.startswith(UNKNOWN_TO_AIOKAFKA))
    if unknown:
        raise WrongSettingError(
            f"{OPTIONS} is wrong for a worker: its client, aiokafka, knows nothing of {', '.join(unknown)}; "
            "use KAFKA_SSL_*, KAFKA_SASL_* and KAFKA_OAUTH_*, which every process understands"
        )
    if settings.librdkafka_options:  # the worker looks for its topics by librdkafka, which must not fail only then
        checked(lambda: AdminClient(client_config(settings, client_id="worker-check") | {"log_level": 0}))


def _context(settings: WorkerSettings) -> ssl.SSLContext:
    context = _trusting("KAFKA_SSL_CA_FILE", settings.kafka_ssl_ca_file)
    if settings.kafka_ssl_certificate_file:
        password = settings.kafka_ssl_key_password.reveal()  # "" lets OpenSSL fail where None would make it ask
        try:
            context.load_cert_chain(settings.kafka_ssl_certificate_file, settings.kafka_ssl_key_file, password)
        except OSError as error:  # ssl.SSLError is one
            raise WrongSettingError(
                f"KAFKA_SSL_CERTIFICATE_FILE={settings.kafka_ssl_certificate_file!r} with KAFKA_SSL_KEY_FILE="
                f"{settings.kafka_ssl_key_file!r} is wrong: a certificate, its key and the key's password ({error})"
            ) from error
    return context


def _access_token(settings: WorkerSettings) -> AccessToken:
    client = ClientCredentials(
        url=settings.kafka_oauth_token_url,
        client_id=settings.kafka_oauth_client_id,
        client_secret=settings.kafka_oauth_client_secret,
        scope=settings.kafka_oauth_scope,
    )
    trust = _trusting("KAFKA_OAUTH_CA_FILE", settings.kafka_oauth_ca_file)
    return AccessToken(client, trust=trust, extensions=settings.oauth_extensions, clock=time.monotonic)


def _trusting(variable: str, ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:
        raise WrongSettingError(f"{variable}={ca_file!r} is wrong: a PEM file of authorities ({error})") from error
