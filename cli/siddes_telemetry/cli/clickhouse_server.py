"""How ClickHouse is reached, from the settings."""

from __future__ import annotations

from collections.abc import Iterator

from siddes_telemetry.backends.clickhouse.login import Login
from siddes_telemetry.backends.clickhouse.server_address import DEFAULT_USER, ServerAddress, parse_server_url
from siddes_telemetry.backends.rotating_secret import RotatingSecret
from siddes_telemetry.backends.tls_context import TlsContext, TlsFiles, UnusableTlsFiles
from siddes_telemetry.cli.rotating import rotating_secret
from siddes_telemetry.cli.settings import PREFIX, Settings, SettingsError


def clickhouse_problems(settings: Settings) -> Iterator[str]:
    """Settings of ClickHouse that do not fit together, each with its remedy. Pure: reads no file."""
    given = [name for name in ("user", "password", "ca_file") if getattr(settings, f"clickhouse_{name}") is not None]
    if settings.clickhouse is None:
        yield from (f"{_variable(settings, name)}: needs CLICKHOUSE; set that or remove this" for name in given)
        return
    address = clickhouse_address(settings)
    for name in given:
        if name == "ca_file" and address.scheme != "https":
            yield f"{_variable(settings, name)}: needs an https URL in CLICKHOUSE; set that or remove this"
        elif name != "ca_file" and getattr(address, name) is not None:
            yield (
                f"{_variable(settings, name)}: CLICKHOUSE has a {name} too; remove the one in its URL, "
                f"which is then http(s)://host:8123/database, or this"
            )


def clickhouse_address(settings: Settings) -> ServerAddress:
    """The address in CLICKHOUSE, with the user and password that its URL has."""
    if settings.clickhouse is None:
        raise ValueError("the caller makes sure that the settings name a server")
    return parse_server_url(settings.clickhouse.get_secret_value())


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


def _variable(settings: Settings, name: str) -> str:
    suffix = "_FILE" if name == "password" and settings.clickhouse_password_file else ""
    return f"{PREFIX}CLICKHOUSE_{name.upper()}{suffix}"
