"""The DDL, compared with golden files. `GOLDEN=write pytest …` rewrites them: review the diff."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from siddes_telemetry.backends.clickhouse.shipped_migrations import shipped_migrations
from siddes_telemetry.schemas import ddl
from siddes_telemetry.schemas.event_column import event_comment, event_type, stored_events
from siddes_telemetry.schemas.registry import Event, Registry
from siddes_telemetry.schemas.registry_changes import KnownEvents, compare, known_events
from siddes_telemetry.schemas.table import COUNTS_TABLE, LOGS_TABLE
from tests.unit.schemas.shipped import REGISTRY

GOLDEN = Path(__file__).parents[2] / "golden"
SINGLE = ddl.StoreSchema("siddes", None, 30, REGISTRY)
FORMS = {"ddl_single.sql": SINGLE, "ddl_cluster.sql": replace(SINGLE, cluster="pair")}


def all_statements(schema: ddl.StoreSchema) -> str:
    """The DDL of a new store, and the statements of changed settings and of a purge."""
    statements = [ddl.create_database(schema)]
    statements += [statement for migration in shipped_migrations(schema) for statement in migration.statements]
    statements += [ddl.modify_events(schema, schema.stored_counts), ddl.modify_retention(schema)]
    statements += [
        ddl.delete_purged(
            schema, before_ms=1_790_000_000_123, ahead_ms=1_790_003_600_123, ahead=[(7, 0, 41), (7, 1, 2**53)]
        )
    ]
    statements += [ddl.modify_deduplication_window(replace(schema, partitions=1024))]
    if schema.cluster is not None:
        statements += [ddl.sync_table(schema.database, table, schema.cluster) for table in (COUNTS_TABLE, LOGS_TABLE)]
    return "".join(f"{statement};\n\n" for statement in statements)


@pytest.mark.parametrize("name", FORMS)
def test_the_statements_are_those_of_the_golden_file(name: str) -> None:
    rendered = all_statements(FORMS[name])
    if os.environ.get("GOLDEN") == "write":
        (GOLDEN / name).write_text(rendered)
    assert rendered == (GOLDEN / name).read_text()


@pytest.mark.parametrize("name", FORMS)
def test_no_event_id_of_a_golden_file_was_reused_or_renumbered(name: str) -> None:
    stored = stored_events((GOLDEN / name).read_text().replace("event         Enum8", "`event` Enum8", 1))
    assert stored is not None
    assert len(stored.ids) >= 7
    assert compare(stored, REGISTRY).refused == []


def test_the_ids_of_the_first_release_never_change() -> None:
    first = {
        "suggestion_shown": 1,
        "suggestion_accepted": 2,
        "suggestion_skipped": 3,
        "suggestion_edited": 4,
        "suggestion_undo": 5,
        "embeddings_opt_in": 6,
        "embeddings_opt_out": 7,
    }
    assert compare(KnownEvents(first), REGISTRY).refused == []


def test_names_are_quoted() -> None:
    schema = ddl.StoreSchema("da`ta\\", "clu'ster", 30, REGISTRY)
    assert ddl.create_database(schema) == r"CREATE DATABASE IF NOT EXISTS `da\`ta\\` ON CLUSTER 'clu\'ster'"


def test_a_name_is_one_node_of_a_keeper_path_and_a_cluster_may_be_a_macro() -> None:
    schema = ddl.StoreSchema("a/{b}'", "{cluster}", 30, REGISTRY)
    made = "\n".join(statement for each in shipped_migrations(schema) for statement in each.statements)
    assert (
        "ReplicatedMergeTree('/clickhouse/tables/{shard}/a%2F%7Bb%7D%27/telemetry_counts_local', '{replica}')" in made
    )
    assert "'/clickhouse/tables/everywhere/a%2F%7Bb%7D%27/telemetry_logs'" in made
    assert "ON CLUSTER '{cluster}'" in made
    assert "Distributed('{cluster}', 'a/{b}\\'', " in made


def test_a_misnamed_file_is_an_error() -> None:
    with pytest.raises(ValueError, match="not the name"):
        ddl.render({"counts.sql": "SELECT 1;\n"}, SINGLE)


def test_an_unknown_placeholder_is_an_error() -> None:
    with pytest.raises(KeyError):
        ddl.render({"0001_x.sql": "SELECT ${nothing};\n"}, SINGLE)


def test_files_run_by_number_and_some_with_a_cluster_only() -> None:
    files = {"0002_b.sql": "-- why\nB1;\n\nB2;\n", "0001_a.sql": "A;\n", "0003_c.cluster.sql": "C;\n"}
    assert ddl.render(files, SINGLE) == (ddl.Migration(1, "a", ("A",)), ddl.Migration(2, "b", ("B1", "B2")))
    assert ddl.render(files, replace(SINGLE, cluster="x"))[2] == ddl.Migration(3, "c", ("C",))


def test_events_and_retention_are_read_from_a_tables_ddl() -> None:
    columns = "`event` Enum8('x' = 1, 'y' = -2){}, `count` UInt16"
    told = f"CREATE TABLE a.b ({columns}) TTL toDateTime(created_at) + toIntervalDay(45) SETTINGS a = 1"
    ids = {"x": 1, "y": -2}
    for comment, revision, retired in (
        ("", None, None),
        (" COMMENT 'registry revision 12' CODEC(ZSTD(1))", 12, frozenset[str]()),
        (" COMMENT 'registry revision 3, retired: x y'", 3, frozenset({"x", "y"})),
    ):
        assert stored_events(told.format(comment)) == KnownEvents(ids, revision, retired)
    none = Registry(1, (Event("none", 1, "m", "None", retired=True),))
    made = f"`event` {event_type(none)} COMMENT {event_comment(none)}"
    assert stored_events(made) == known_events(none)
    assert stored_events("CREATE TABLE a.b (`x` Int8)") is None
    assert ddl.stored_retention_days(told) == 45
    assert ddl.stored_retention_days("CREATE TABLE a.b (x Int8)") is None
