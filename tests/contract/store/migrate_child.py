"""A child process: migrates a server's database.

Usage: python -m tests.contract.store.migrate_child URL
"""

from __future__ import annotations

import asyncio
import sys

from siddes_telemetry.backends.clickhouse.http_engine import HttpEngine
from siddes_telemetry.backends.clickhouse.server_address import parse_server_url
from tests.contract.store.backends import on


async def main(url: str) -> None:
    address = parse_server_url(url)
    engine = HttpEngine(address)
    await on(engine, address.database).admin.migrate()
    await engine.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
