"""Writes the tables of a ClickHouse to files, `system` tables too.

The engine's own files are compressed, and many `system` tables exist in memory only.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

UNREADABLE = frozenset(
    {
        *("zookeeper", "distributed_ddl_queue"),  # there is none
        "detached_tables",  # not of every kind of database
        *("jemalloc_profile_text", "jemalloc_sampled_allocations"),  # under a condition, and figures only
        *("grants", "masking_policies", "quota_limits", "quota_usage", "quotas", "quotas_usage", "role_grants"),
        *("roles", "row_policies", "settings_profile_elements", "settings_profiles", "users"),  # chDB has no users
    }
)
ENDLESS = ("SystemNumbers", "SystemZeros", "SystemPrimes")
SKIPPED = ("symbols", "unicode", "models")  # the program's own: hundreds of megabytes, or another program to start
VIEWERS = "viewers"  # the one file that may hold viewers
PATHS = "paths"  # lists the folders where the engine keeps them

_TABLES = f"""
SELECT database, name FROM system.tables
WHERE database IN ('system', '{{database}}') AND engine NOT IN {ENDLESS} AND name NOT IN {SKIPPED}
ORDER BY database, name FORMAT TSV
"""
_PATHS = """
SELECT arrayJoin(data_paths) FROM system.tables
WHERE database = '{database}' AND name = 'telemetry_counts' FORMAT TSV
"""


def dump_tables(query: Callable[[str], bytes], own: str, folder: Path) -> None:
    """Write each table of `system` and of the database `own` to a file of its name; of the counts, the viewers to
    one of their own. `query` gives what a statement prints. Raises what it does for a table that should be readable.
    """
    folder.mkdir(parents=True)
    for line in query(_TABLES.format(database=own)).decode().splitlines():
        database, name = line.split("\t")
        columns = "*"
        if name == "telemetry_counts":
            columns = "* EXCEPT viewer_id"
            (folder / VIEWERS).write_bytes(query(f"SELECT viewer_id FROM `{database}`.`{name}` FORMAT TSV"))
            (folder / PATHS).write_bytes(query(_PATHS.format(database=own)))
        try:
            rows = query(f"SELECT {columns} FROM `{database}`.`{name}` FORMAT TSVWithNames")
        except Exception:  # of two drivers
            if name not in UNREADABLE:
                raise
        else:
            (folder / f"{database}.{name}").write_bytes(rows)
