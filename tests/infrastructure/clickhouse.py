"""A ClickHouse server from libchdb: one user with a password, the system logs of a normal server, loopback only."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from tests.infrastructure.local import LocalServer
from tests.infrastructure.ports import free_ports
from tests.infrastructure.process import ServerProcess

SERVE = Path(__file__).with_name("serve_chdb.py")
USER, PASSWORD, DATABASE = "siddes", "for-tests-only", "siddes"
OTHER_USER = "other"  # same password

# The logs of its own that a server keeps by default: what must not hold a viewer is searched in them.
SYSTEM_LOGS = (
    "query_log",
    "query_thread_log",
    "query_views_log",
    "part_log",
    "text_log",
    "trace_log",
    "error_log",
    "session_log",
    "asynchronous_insert_log",
    "processors_profile_log",
)
MEMORY_BYTES = 4_000_000_000  # a test machine is shared
SERVER_SETTINGS = {
    "mark_cache_size": "67108864",
    "background_pool_size": "2",
    # Tables are looked through for expired rows every second, not every ten seconds to ten minutes.
    "background_processing_pool_task_sleep_seconds_when_no_work_min": "1",
    "background_processing_pool_task_sleep_seconds_when_no_work_max": "1",
}

# Insert defaults of OTHER_USER, under which the same bytes are cut into other blocks and a repeated token is stored
# twice, unless the insert pins its own.
OTHER_DEFAULTS = {
    "max_insert_block_size": "1000",
    "min_insert_block_size_rows": "500",
    "min_insert_block_size_bytes": "50000",
    "input_format_parallel_parsing": "0",
    "max_insert_threads": "2",
    "insert_deduplicate": "0",
    "deduplicate_insert": "disable",
}


def _elements(texts: Mapping[str, str]) -> str:
    return "".join(f"<{name}>{text}</{name}>" for name, text in texts.items())


def _config(folder: Path, memory_bytes: int) -> str:
    logs = _elements({name: _elements({"database": "system", "table": name}) for name in SYSTEM_LOGS})
    return f"""<clickhouse>
  <logger><level>information</level><log>{folder}/clickhouse.log</log></logger>
  <users_config>{folder}/users.xml</users_config>
  {logs}
  {_elements({**SERVER_SETTINGS, "max_server_memory_usage": str(memory_bytes)})}
</clickhouse>
"""


def _user(name: str, *, password: str = PASSWORD, profile: str = "default", more: str = "") -> str:
    networks = "<networks><ip>127.0.0.1</ip></networks>"
    return (
        f"<{name}>{networks}{_elements({'password': password, 'profile': profile, 'quota': 'default'})}{more}</{name}>"
    )


# "default" has no password: libchdb's own query, which opens the ports, runs as that user.
USERS = f"""<clickhouse>
  <profiles><default/><other>{_elements(OTHER_DEFAULTS)}</other></profiles>
  <quotas><default/></quotas>
  <users>
    {_user("default", password="")}
    {_user(USER, more="<access_management>1</access_management>")}
    {_user(OTHER_USER, profile="other")}
  </users>
</clickhouse>
"""


class LocalClickHouse(LocalServer):
    """A server of the caller's own; `url` names user, password and an empty database.

    Its `system` database is kept in memory: the rows of system logs go with the process, databases stay. `also` is a
    file of settings that change the test's own, as one of config.d/ does.
    """

    def __init__(
        self, *, libchdb: Path, folder: Path, memory_bytes: int = MEMORY_BYTES, also: Path | None = None
    ) -> None:
        super().__init__(folder)
        self._memory_bytes = memory_bytes
        self._also = also
        self.port, tcp_port = free_ports(2)
        self.url = f"http://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{DATABASE}"
        self._command = [sys.executable, "-I", "-S", str(SERVE), str(libchdb), f"--config-file={folder / 'config.xml'}"]
        self._command += [f"--path={folder / 'data'}", "--listen_host=127.0.0.1"]
        self._command += [f"--http_port={self.port}", f"--tcp_port={tcp_port}"]

    def _prepare(self) -> list[str]:
        (self.folder / "config.xml").write_text(_config(self.folder, self._memory_bytes))
        if self._also is not None:
            (self.folder / "config.d").mkdir(exist_ok=True)
            shutil.copy(self._also, self.folder / "config.d")
        (self.folder / "users.xml").write_text(USERS)
        # Left-overs of the in-memory system database would keep the next one's log tables from being made.
        shutil.rmtree(self.folder / "data" / "data" / "system", ignore_errors=True)
        return self._command

    def _serves(self, process: ServerProcess) -> bool:  # noqa: ARG002 - the port tells
        connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
        headers = {"X-ClickHouse-User": USER, "X-ClickHouse-Key": PASSWORD}
        try:
            connection.request("POST", "/", f"CREATE DATABASE IF NOT EXISTS {DATABASE}", headers)
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()
