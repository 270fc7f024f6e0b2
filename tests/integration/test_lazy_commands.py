"""A command loads the drivers that it needs and no others, and what the list says of it is what its own help says."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from typer.main import get_command

from siddes_telemetry.cli import commands
from siddes_telemetry.cli.lazy_commands import COMMANDS

HTTP, KAFKA, CLICKHOUSE, CHDB, SQLITE = "aiohttp", "aiokafka", "clickhouse_connect", "chdb", "sqlite3"
METRICS, LOGS, SETTINGS = "prometheus_client", "structlog", "pydantic_settings"
ARROW = "pyarrow"  # chDB would load it
ALL = (HTTP, KAFKA, CLICKHOUSE, CHDB, SQLITE, METRICS, LOGS, SETTINGS, ARROW)
CHEAP = {SETTINGS}
OPERATORS = {SETTINGS, LOGS, METRICS}
LOADED = {
    "up": OPERATORS | {HTTP, SQLITE},  # and chDB, when it opens the data folder
    "gateway": OPERATORS | {HTTP, KAFKA},
    "consumer": OPERATORS | {HTTP, KAFKA, CLICKHOUSE},
    "summary": OPERATORS | {HTTP, CLICKHOUSE},
    "import": OPERATORS | {HTTP, CLICKHOUSE, SQLITE},
    "plan": OPERATORS | {SQLITE},
    "init": CHEAP,
    "token": CHEAP,
    "schema": CHEAP,
    # what the other commands load when they know where the log and the store are
    "siddes_telemetry.cli.operations.cluster": OPERATORS | {HTTP, KAFKA, CLICKHOUSE},
    "siddes_telemetry.cli.operations.folder": OPERATORS | {SQLITE},
    "siddes_telemetry.backends.clickhouse.chdb_engine": {CHDB},
}
LIST_LOADED = """
import json, os, sys
from importlib import import_module
import siddes_telemetry.cli.main
wanted, modules = json.loads(sys.argv[1]), json.loads(sys.argv[2])
print(json.dumps(["main", [name for name in wanted if name in sys.modules]]), flush=True)
for name, module in modules.items():
    if os.fork() == 0:
        import_module(module)
        print(json.dumps([name, [name for name in wanted if name in sys.modules]]), flush=True)
        os._exit(0)
    os.wait()
"""


def module_of(command: str) -> str:
    return f"siddes_telemetry.cli.commands.{COMMANDS[command][0]}" if command in COMMANDS else command


def test_commands_load_the_drivers_that_they_need() -> None:
    modules = {name: module_of(name) for name in (*COMMANDS, *LOADED)}
    arguments = (json.dumps(ALL), json.dumps(modules))
    done = subprocess.run(
        [sys.executable, "-c", LIST_LOADED, *arguments], capture_output=True, text=True, timeout=100, check=True
    )
    found = {name: set(loaded) for name, loaded in map(json.loads, done.stdout.splitlines())}
    assert found == {"main": set(), **{name: LOADED.get(name, OPERATORS) for name in modules}}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_the_command_says(name: str) -> None:
    command = get_command(import_module(module_of(name)).app)
    assert inspect.cleandoc(command.help or "").split("\n\n")[0].replace("\n", " ") == COMMANDS[name][1]
    assert (command.name or name) == name  # the group `schema` gets its name from the list


def test_every_command_is_listed() -> None:
    folder = Path(inspect.getfile(commands)).parent
    with_an_app = {file.stem for file in folder.glob("*.py") if "\napp = typer.Typer(" in file.read_text()}
    assert with_an_app == {module for module, _ in COMMANDS.values()}
