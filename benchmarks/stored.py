"""What the store holds, looked at from outside."""

from __future__ import annotations

from contextlib import closing
from time import monotonic, sleep

import clickhouse_connect

LOOK_S = 0.05  # between two looks
PATIENCE_S = 300.0


def wait_for_rows(url: str, rows: int) -> int:
    """Block until a database has so many rows of counts; how many it has then. RuntimeError if it has not in time."""
    with closing(clickhouse_connect.get_client(dsn=url)) as client:
        deadline = monotonic() + PATIENCE_S
        while (stored := int(str(client.command("SELECT count() FROM telemetry_counts")))) < rows:
            if monotonic() > deadline:
                raise RuntimeError("the consumer did not drain the log in time")
            sleep(LOOK_S)
    return stored
