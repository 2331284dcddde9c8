"""How Faust and aiokafka connect: the same cluster settings as every other service, in these libraries' own terms."""

from __future__ import annotations

import ssl
from typing import Any

import faust
from faust.types.auth import CredentialsT

from services.runtime.settings import KafkaSettings


def client_options(settings: KafkaSettings) -> dict[str, Any]:
    """Options that every aiokafka client of this service uses."""
    options: dict[str, Any] = {
        "bootstrap_servers": servers(settings),
        "security_protocol": settings.security_protocol,
        "ssl_context": _ssl_context(settings),
        "request_timeout_ms": 15_000,
        "retry_backoff_ms": 20,
    }
    if settings.sasl_mechanism is not None:
        options["sasl_mechanism"] = settings.sasl_mechanism
        options["sasl_plain_username"] = settings.sasl_username
        options["sasl_plain_password"] = settings.sasl_password.reveal() if settings.sasl_password else None
    return options


def servers(settings: KafkaSettings) -> list[str]:
    return [server.strip() for server in settings.bootstrap.split(",")]


def faust_credentials(settings: KafkaSettings) -> CredentialsT | None:
    """What Faust's consumer and producer authenticate with; None on an open cluster."""
    context = _ssl_context(settings)
    if settings.sasl_mechanism is not None:
        return faust.SASLCredentials(
            mechanism=settings.sasl_mechanism,
            username=settings.sasl_username,
            password=settings.sasl_password.reveal() if settings.sasl_password else None,
            ssl_context=context,  # decides between SASL_SSL and SASL_PLAINTEXT
        )
    return faust.SSLCredentials(context=context) if context is not None else None


def _ssl_context(settings: KafkaSettings) -> ssl.SSLContext | None:
    if "SSL" not in settings.security_protocol.split("_"):
        return None
    return ssl.create_default_context(cafile=str(settings.ssl_cafile) if settings.ssl_cafile else None)
