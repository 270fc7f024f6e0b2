"""What tests need of a ClickHouse server that they share: a database of their own, and a user who inserts otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver.exceptions import DatabaseError

from tests.infrastructure.clickhouse import OTHER_USER
from tests.infrastructure.found import RuledOut
from tests.infrastructure.names import fresh


@contextmanager
def own_database(url: str) -> Iterator[str]:
    """`url`, with a new database instead of its own; the database goes at the end."""
    name = fresh("test")
    with closing(clickhouse_connect.get_client(dsn=url)) as client:
        client.command(f"CREATE DATABASE {name}")
        try:
            yield urlsplit(url)._replace(path=f"/{name}").geturl()
        finally:
            client.command(f"DROP DATABASE {name} SYNC")


def other_user(url: str) -> str:
    """`url`, with the user whose insert defaults differ. RuledOut where the server has no such user."""
    parts = urlsplit(url)
    other = parts._replace(netloc=parts.netloc.replace(f"{parts.username}:", f"{OTHER_USER}:", 1)).geturl()
    try:
        clickhouse_connect.get_client(dsn=other).close()
    except DatabaseError:
        raise RuledOut("this server has no user with other insert defaults") from None
    return other
