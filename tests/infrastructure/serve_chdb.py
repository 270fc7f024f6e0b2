"""Turns libchdb.so into a ClickHouse server: its one query opens the ports and never ends.

Usage: serve_chdb.py LIBCHDB_SO CLICKHOUSE_LOCAL_OPTION...
"""

from __future__ import annotations

import ctypes
import sys

SERVE = (
    "SYSTEM START LISTEN HTTP; SYSTEM START LISTEN TCP; "
    "SELECT sleep(1) FROM numbers(1000000000) "
    "SETTINGS additional_result_filter = '', max_block_size = 1, function_sleep_max_microseconds_per_block = 0 "
    "FORMAT Null"
)
arguments = [b"clickhouse", *(a.encode() for a in sys.argv[2:]), f"--query={SERVE}".encode()]
query = ctypes.CDLL(sys.argv[1]).query_stable_v2
query.restype = ctypes.c_void_p
query(len(arguments), (ctypes.c_char_p * len(arguments))(*arguments))
sys.exit("the server ended by itself")
