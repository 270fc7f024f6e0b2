"""The address of the ClickHouse server, from the settings."""

from __future__ import annotations

from siddes_telemetry.backends.clickhouse.server_address import ServerAddress, parse_server_url
from siddes_telemetry.cli.settings import Settings


def clickhouse_address(settings: Settings) -> ServerAddress:
    """The address in CLICKHOUSE, with the user and password that its URL has."""
    if settings.clickhouse is None:
        raise ValueError("the caller makes sure that the settings name a server")
    return parse_server_url(settings.clickhouse.get_secret_value())
