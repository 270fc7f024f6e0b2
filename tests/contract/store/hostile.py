"""A hostile profile: every setting that is not the operator's choice has another value, as far as a server allows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import closing

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from siddes_telemetry.backends.clickhouse.profile import is_operators_choice

_SETTINGS = """
SELECT name, type, default FROM system.settings WHERE alias_for = '' AND NOT is_obsolete ORDER BY name LIMIT 100000
"""
_CHOICES = re.compile(r"one of \[([^\]]*)\]")
_NUMBERS = frozenset(
    ("UInt64", "UInt64Auto", "Int64", "Int32", "NonZeroUInt64", "MaxThreads", "Milliseconds", "Seconds")
)

# Texts have no opposite. Of most, another value is refused or has no effect; these have an effect.
_TEXTS = {
    "additional_result_filter": "0",
    "additional_table_filters": "{'system.settings': '0', 'system.tables': '0'}",
    "bool_true_representation": "yes",
    "cluster_for_parallel_replicas": "nowhere",
    "compatibility": "20.3",
    "count_distinct_implementation": "uniq",
    "default_view_definer": "nobody",
    "errors_output_format": "JSONEachRow",
    "force_data_skipping_indices": "none_such",
    "force_optimize_projection_name": "none_such",
    "format_csv_delimiter": "x",
    "format_tsv_null_representation": "\\t",
    "function_implementation": "none_such",
    "http_response_headers": "{'X-ClickHouse-Exception-Code': '516'}",
    "ignore_data_skipping_indices": "log_offsets",
    "implicit_table_at_top_level": "system.one",
    "insert_deduplication_token": "always the same",
    "parallel_replicas_custom_key": "log_offset",
    "polyglot_dialect": "mysql",
    "preferred_optimize_projection_name": "none_such",
    "query_cache_tag": "hostile",
    "schema_inference_hints": "count String",
    "session_timezone": "Pacific/Kiritimati",
    "temporary_files_codec": "NONE",
    "url_base": "http://127.0.0.1:1/",
}


def hostile_settings(url: str) -> Mapping[str, str]:
    """Flipped switches, a third of each number, another of each choice, and _TEXTS, if the server accepts them."""
    with closing(clickhouse_connect.get_client(dsn=url)) as client:
        rows = client.query(_SETTINGS).result_rows
        others = {
            name: _another(client, name, kind, default) for name, kind, default in rows if not is_operators_choice(name)
        }
    return {name: value for name, value in others.items() if value is not None}


def _another(client: Client, name: str, kind: str, default: str) -> str | None:
    if name in _TEXTS:
        return _TEXTS[name]
    if kind == "Bool":
        return "0" if default == "1" else "1"
    if kind in _NUMBERS:
        return _third(int(default)) if default.lstrip("-").isdigit() else None
    if kind in ("Float", "Double"):
        return str(float(default) / 3 or 0.5)
    if kind in ("String", "Map", "URI", "Char", "Timezone"):
        return None
    return next((choice for choice in _choices(client, name) if choice and choice.lower() != default.lower()), None)


def _third(number: int) -> str:
    """A third of a bound, or a small number if there is no bound (mostly 0)."""
    return str(number // 3 if number >= 3 else number + 3)


def _choices(client: Client, name: str) -> list[str]:
    """The valid values that the server lists when it refuses one."""
    try:
        client.command(f"SET {name} = 'none of them'")
    except DatabaseError as refusal:
        listed = _CHOICES.search(str(refusal))
        return re.findall(r"'([^']*)'", listed[1]) if listed else []
    return []
