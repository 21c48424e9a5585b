"""How Faust proves itself to the brokers."""

import ssl

from faust.auth import Credentials, SASLCredentials, SSLCredentials

from agents.settings import WorkerSettings


def broker_credentials(settings: WorkerSettings) -> Credentials | None:
    """Return Faust's credentials for the security protocol of the settings, None for plain text."""
    encrypted = settings.kafka_security_protocol.endswith("SSL")
    context = ssl.create_default_context(cafile=settings.kafka_ssl_ca_file or None) if encrypted else None
    if settings.kafka_sasl_mechanism:
        return SASLCredentials(
            username=settings.kafka_sasl_username,
            password=settings.kafka_sasl_password.reveal(),
            mechanism=settings.kafka_sasl_mechanism,
            ssl_context=context,
        )
    return SSLCredentials(context) if context else None
