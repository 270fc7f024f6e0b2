"""How ClickHouse is reached, from the settings."""

from __future__ import annotations

from siddes_telemetry.backends.clickhouse.login import Login
from siddes_telemetry.backends.clickhouse.server_address import DEFAULT_USER, ServerAddress
from siddes_telemetry.backends.rotating_secret import RotatingSecret
from siddes_telemetry.backends.tls_context import TlsContext, TlsFiles, UnusableTlsFiles
from siddes_telemetry.cli.rotating import rotating_secret
from siddes_telemetry.cli.settings import Settings, SettingsError


def clickhouse_login(settings: Settings, address: ServerAddress) -> Login:
    """The user, and the password, which is read again from its file."""
    return Login(
        settings.clickhouse_user or address.user or DEFAULT_USER,
        rotating_secret(settings, "clickhouse_password") or RotatingSecret(address.password or ""),
    )


def clickhouse_tls(settings: Settings, address: ServerAddress) -> TlsContext | None:
    """TLS for an https URL. Reads the file of CAs. Raises SettingsError."""
    if address.scheme != "https":
        return None
    try:
        return TlsContext(TlsFiles(settings.clickhouse_ca_file, of="clickhouse"))
    except UnusableTlsFiles as error:
        raise SettingsError([str(error)]) from None
