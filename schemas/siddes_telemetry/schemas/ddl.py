"""The store's DDL: renders the files of migrations/, and writes ALTERs for a changed retention or registry. Pure.

A file holds statements that end with `;` and contain `${placeholders}`. A `.cluster.sql` runs only with a cluster. The
TTL is `retention_days` (migrations/0002_counts.sql; changed by modify_retention).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from string import Template
from urllib.parse import quote

from siddes_telemetry.schemas.client_batch import MAX_LINE_COUNT
from siddes_telemetry.schemas.event_column import event_comment, event_type
from siddes_telemetry.schemas.quoting import quote_identifier, quote_string
from siddes_telemetry.schemas.registry import Registry
from siddes_telemetry.schemas.table import (
    COUNTS_TABLE,
    LOGS_TABLE,
    MIGRATIONS_TABLE,
    PURGES_AHEAD_TABLE,
    PURGES_TABLE,
    SET_ASIDES_TABLE,
    STORED_COUNTS_TABLE,
)
from siddes_telemetry.schemas.timestamps import format_time
from siddes_telemetry.schemas.viewer import MAX_VIEWER_ID

# Parts that are inserted, at most, while a token must be remembered (consumer/part_pace.py):
PARTS_OF_A_PARTITION = 500
PARTS_OF_A_REPAIR = 8_000
PARTS_OF_AN_IMPORT = 4_000
PARTS_OF_OTHERS = PARTS_OF_A_REPAIR + PARTS_OF_AN_IMPORT
MIN_DEDUPLICATION_WINDOW = 20_000
DEDUPLICATION_WINDOW_S = 7 * 24 * 3600  # replicated tables drop tokens by age too: as long as the log keeps records
MAX_COMPACT_PART_BYTES = 64 * 1024**3  # uncompressed: a billion rows a day; the marks of such a part are some 50 MB
DAY_CLOSES_AFTER_S = 3600  # without an insert; a late row rewrites its whole day, so at most once an hour

_FILE_NAME = re.compile(r"(\d{4})_(\w+)(\.cluster)?\.sql")
_ENGINE = re.compile(r"\bENGINE = (Replicated|Shared|)MergeTree\b")
_CHANGED_TABLE = re.compile(r"(?:CREATE TABLE IF NOT EXISTS|ALTER TABLE) `(?:[^`\\]|\\.)*`\.`([^`]*)`")
_TTL_DAYS = re.compile(r"\bTTL toDateTime\(created_at\) \+ toIntervalDay\((\d+)\)")


@dataclass(frozen=True, slots=True)
class StoreSchema:
    """The parameters of the DDL. `cluster`: the cluster's name in the servers' configuration, or None.

    `partitions`: of the log, which the window of remembered tokens must suffice for.
    """

    database: str
    cluster: str | None
    retention_days: int
    registry: Registry
    partitions: int = 1

    @property
    def stored_counts(self) -> str:
        """The table that holds the rows. With a cluster COUNTS_TABLE is the Distributed table in front of it."""
        return COUNTS_TABLE if self.cluster is None else STORED_COUNTS_TABLE

    def table(self, name: str) -> str:
        """The qualified, quoted name of a table."""
        return f"{quote_identifier(self.database)}.{quote_identifier(name)}"


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file, rendered."""

    number: int
    name: str
    statements: tuple[str, ...]


def render(files: Mapping[str, str], schema: StoreSchema) -> tuple[Migration, ...]:
    """The migrations that apply, by number, from texts by file name. Raises ValueError for a misnamed file."""
    values = _placeholders(schema)
    migrations: list[Migration] = []
    for name, text in sorted(files.items()):
        match = _FILE_NAME.fullmatch(name)
        if match is None:
            raise ValueError(f"not the name of a migration: {name}")
        if match[3] is None or schema.cluster is not None:
            sql = Template("".join(line for line in text.splitlines(keepends=True) if not line.startswith("--")))
            statements = tuple(part.strip() for part in sql.substitute(values).split(";\n") if part.strip())
            migrations.append(Migration(int(match[1]), match[2], statements))
    return tuple(migrations)


def of_lost_tables(applied: Sequence[Migration], tables: Collection[str]) -> Sequence[Migration]:
    """What of the applied migrations makes the tables anew that are not among `tables`; with number 0, as recorded."""
    lost: list[Migration] = []
    for migration in applied:
        statements = tuple(each for each in migration.statements if _table_of(each) not in tables)
        if statements:
            lost.append(Migration(0, migration.name, statements))
    return lost


def _table_of(statement: str) -> str:
    """The name of the table that a statement of ours creates or alters."""
    match = _CHANGED_TABLE.match(statement)
    if match is None:
        raise ValueError("not a statement about a table")
    return match[1]


def create_database(schema: StoreSchema) -> str:
    return f"CREATE DATABASE IF NOT EXISTS {quote_identifier(schema.database)}{_on_cluster(schema)}"


def stored_retention_days(create_query: str) -> int | None:
    """The retention in a table's CREATE statement, or None if it has no TTL of ours."""
    match = _TTL_DAYS.search(create_query)
    return None if match is None else int(match[1])


def deduplication_window(partitions: int) -> int:
    """How many parts' tokens the table remembers.

    A token must be remembered until no insert under it can be under way any more (consumer/lease.py). The other
    inserts of that time are limited: of each partition to PARTS_OF_A_PARTITION, of all others to PARTS_OF_OTHERS.
    """
    return max(MIN_DEDUPLICATION_WINDOW, partitions * PARTS_OF_A_PARTITION + PARTS_OF_OTHERS)


def stored_deduplication_window(create_query: str) -> int:
    """The window in a table's CREATE statement that its engine goes by; 0 if there is none."""
    engine = _ENGINE.search(create_query)
    prefix = "non_" if engine is None or not engine[1] else ""
    match = re.search(rf"\b{prefix}replicated_deduplication_window = (\d+)", create_query)
    return 0 if match is None else int(match[1])


def modify_events(schema: StoreSchema, table: str) -> str:
    """The ALTER that gives the event column the registry's type and comment. Adding to an Enum8 rewrites no rows."""
    column = f"event {event_type(schema.registry)} COMMENT {event_comment(schema.registry)}"
    return f"ALTER TABLE {schema.table(table)}{_on_cluster(schema)} MODIFY COLUMN {column}"


def drop_table(schema: StoreSchema, table: str) -> str:
    """The statement that removes a table of one server if it has no rows."""
    return f"DROP TABLE IF EMPTY {schema.table(table)} SYNC"


def modify_retention(schema: StoreSchema) -> str:
    """The ALTER that changes the TTL. Applies to existing rows too, with settings.ALTER_PINS."""
    return f"ALTER TABLE {schema.table(schema.stored_counts)}{_on_cluster(schema)} MODIFY TTL {_ttl(schema)}"


def modify_deduplication_window(schema: StoreSchema) -> str:
    """The ALTER that changes how many parts' tokens are remembered. Keeps those that are."""
    table = f"{schema.table(schema.stored_counts)}{_on_cluster(schema)}"
    window = deduplication_window(schema.partitions)
    lone = f"non_replicated_deduplication_window = {window}, " if schema.cluster is None else ""
    return f"ALTER TABLE {table} MODIFY SETTING {lone}replicated_deduplication_window = {window}"


def delete_purged(
    schema: StoreSchema, *, before_ms: int | None, ahead_ms: int, ahead: Sequence[tuple[int, int, int]]
) -> str:
    """The mutation that removes rows created before `before_ms` (None: none of these), or at `ahead_ms` or later.

    Of the latter it removes only those in `ahead`: (log id, partition, highest offset). At least one of `before_ms` and
    `ahead` must be given. A mutation keeps deduplication tokens; DROP PARTITION would lose them.
    """
    conditions = [] if before_ms is None else [f"created_at < {_time(before_ms)}"]
    if ahead:
        sources = " OR ".join(
            f"(log_id = {log_id} AND log_partition = {partition} AND log_offset <= {up_to_offset})"
            for log_id, partition, up_to_offset in ahead
        )
        conditions.append(f"(created_at >= {_time(ahead_ms)} AND ({sources}))")
    table = f"{schema.table(schema.stored_counts)}{_on_cluster(schema)}"
    return f"ALTER TABLE {table} DELETE WHERE {' OR '.join(conditions)}"


def sync_table(database: str, table: str, cluster: str | None) -> str:
    """The statement that waits until a replicated table has every row that was confirmed before.

    `cluster`: counts are synchronized on each of its servers. LIGHTWEIGHT: without waiting for merges.
    https://clickhouse.com/docs/sql-reference/statements/system#sync-replica
    """
    counts_of_cluster = cluster is not None and table == COUNTS_TABLE
    where = f" ON CLUSTER {quote_string(cluster)}" if cluster is not None and counts_of_cluster else ""
    name = STORED_COUNTS_TABLE if counts_of_cluster else table
    return f"SYSTEM SYNC REPLICA{where} {quote_identifier(database)}.{quote_identifier(name)} LIGHTWEIGHT"


def _placeholders(schema: StoreSchema) -> dict[str, str]:
    return {
        "on_cluster": _on_cluster(schema),
        "migrations": schema.table(MIGRATIONS_TABLE),
        "migrations_engine": _bookkeeping_engine(schema, MIGRATIONS_TABLE),
        "logs": schema.table(LOGS_TABLE),
        "logs_engine": _bookkeeping_engine(schema, LOGS_TABLE),
        "purges": schema.table(PURGES_TABLE),
        "purges_engine": _bookkeeping_engine(schema, PURGES_TABLE),
        "set_asides": schema.table(SET_ASIDES_TABLE),
        "set_asides_engine": _bookkeeping_engine(schema, SET_ASIDES_TABLE),
        "purges_ahead": schema.table(PURGES_AHEAD_TABLE),
        "purges_ahead_engine": _bookkeeping_engine(schema, PURGES_AHEAD_TABLE),
        "bookkeeping_settings": _table_settings(schema, MIN_DEDUPLICATION_WINDOW),
        "counts": schema.table(COUNTS_TABLE),
        "stored_counts": schema.table(schema.stored_counts),
        "stored_counts_name": quote_string(schema.stored_counts),
        "counts_engine": _counts_engine(schema),
        "counts_settings": _table_settings(schema, deduplication_window(schema.partitions)),
        "max_compact_part_bytes": str(MAX_COMPACT_PART_BYTES),
        "day_closes_after_s": str(DAY_CLOSES_AFTER_S),
        "event_type": event_type(schema.registry),
        "event_comment": event_comment(schema.registry),
        "max_count": str(MAX_LINE_COUNT),
        "max_viewer_id": str(MAX_VIEWER_ID),
        "ttl": _ttl(schema),
        "cluster_name": quote_string(schema.cluster or ""),
        "database_name": quote_string(schema.database),
    }


def _time(epoch_ms: int) -> str:
    return f"toDateTime64('{format_time(epoch_ms)}', 3, 'UTC')"


def _on_cluster(schema: StoreSchema) -> str:
    return "" if schema.cluster is None else f" ON CLUSTER {quote_string(schema.cluster)}"


def _ttl(schema: StoreSchema) -> str:
    return f"toDateTime(created_at) + INTERVAL {schema.retention_days} DAY"


def _counts_engine(schema: StoreSchema) -> str:
    if schema.cluster is None:
        return "MergeTree"
    path = f"/clickhouse/tables/{{shard}}/{_in_keeper(schema.database)}/{schema.stored_counts}"
    return f"ReplicatedMergeTree({quote_string(path)}, '{{replica}}')"


def _in_keeper(database: str) -> str:
    """A database's name as one node of a Keeper path, in which `/` separates nodes and `{` begins a macro."""
    return quote(database, safe="")


def _bookkeeping_engine(schema: StoreSchema, table: str) -> str:
    """With a cluster, every server of every shard has the same rows."""
    if schema.cluster is None:
        return "MergeTree"
    path = f"/clickhouse/tables/everywhere/{_in_keeper(schema.database)}/{table}"
    return f"ReplicatedMergeTree({quote_string(path)}, '{{shard}}-{{replica}}')"


def _table_settings(schema: StoreSchema, window: int) -> str:
    """Settings that fsync each insert, and keep its token for as long as the insert may be retried.

    A server of ClickHouse Cloud makes a MergeTree into a SharedMergeTree, which reads the replicated ones.
    """
    durable = "fsync_after_insert = 1, fsync_part_directory = 1"
    replicated = (
        f"replicated_deduplication_window = {window}, "
        f"replicated_deduplication_window_seconds = {DEDUPLICATION_WINDOW_S}"
    )
    lone = f"non_replicated_deduplication_window = {window}, " if schema.cluster is None else ""
    return f"{lone}{replicated}, {durable}"
