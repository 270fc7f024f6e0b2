"""How the connections to the brokers are secured: TLS, and the login by SASL. It is asked for each new connection, so
that replaced files and rotated secrets hold without a restart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aiokafka.abc import AbstractTokenProvider

from siddes_telemetry.backends.rotating_secret import RotatingSecret
from siddes_telemetry.backends.tls_context import TlsContext


@dataclass(frozen=True, slots=True)
class PasswordLogin:
    """SASL by user and password. `mechanism` is PLAIN (RFC 4616), SCRAM-SHA-256 or SCRAM-SHA-512 (RFC 5802)."""

    mechanism: str
    user: str
    password: RotatingSecret

    def settings(self) -> dict[str, Any]:
        """aiokafka's settings for a connection that is made now."""
        return {
            "sasl_mechanism": self.mechanism,
            "sasl_plain_username": self.user,
            "sasl_plain_password": self.password.current(),
        }


@dataclass(frozen=True, slots=True)
class TokenLogin:
    """SASL by OAUTHBEARER (RFC 7628), with the tokens of this provider."""

    provider: AbstractTokenProvider

    def settings(self) -> dict[str, Any]:
        """aiokafka's settings for a connection that is made now."""
        return {"sasl_mechanism": "OAUTHBEARER", "sasl_oauth_token_provider": self.provider}


@dataclass(frozen=True, slots=True)
class KafkaSecurity:
    """TLS, a login, both or neither. A client certificate (mTLS) is part of `tls`."""

    tls: TlsContext | None = None
    login: PasswordLogin | TokenLogin | None = None

    def connection_settings(self) -> dict[str, Any]:
        """aiokafka's settings for a connection that is made now. Reads the files, and raises nothing."""
        protocol = "SSL" if self.tls else "PLAINTEXT"
        return {
            "security_protocol": f"SASL_{protocol}" if self.login else protocol,
            "ssl_context": self.tls.current() if self.tls else None,
            **(self.login.settings() if self.login else {}),
        }


PLAINTEXT = KafkaSecurity()
