"""The subcommands, each a module of commands/ that is imported when it is run, or when its own help is shown.

A command loads the drivers that it needs and no others, and `--version` and `--help` load none.
"""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import Any

from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

# By name, in the order of `--help`: the module with the command's `app`, and the first paragraph of its help.
COMMANDS = MappingProxyType(
    {
        "up": ("up", "Everything in one process: SQLite log, embedded ClickHouse, gateway, consumer and summary."),
        "gateway": ("gateway", "HTTP to Kafka: accepts counts."),
        "consumer": ("consumer", "Kafka to ClickHouse, exactly once. It has no public port."),
        "summary": ("summary", "ClickHouse to HTTP: viewers read their own counts."),
        "migrate": (
            "migrate",
            (
                "Create or change topics and tables as the settings say. "
                "Safe to repeat, and to run in several places at once."
            ),
        ),
        "purge": ("purge", "Remove the counts that are older than this number of days, exactly and at once."),
        "dead-letters": (
            "dead_letters",
            "List the records that could not be read: partition, offset, reason and size, never their bytes.",
        ),
        "verify": ("verify", "Compare the store with the log, row by row, while everything goes on."),
        "reset-offsets": (
            "reset_offsets",
            "Set the consumer group's offsets again after they were lost, or after the topic was made anew.",
        ),
        "backup": (
            "backup",
            "Write a backup of an embedded instance into FOLDER, while it runs or while it is stopped.",
        ),
        "restore": (
            "restore",
            "Restore the backup in FOLDER into the data folder, which must be empty and not in use.",
        ),
        "import": ("import_folder", "Bring the counts of a stopped embedded instance into the cluster, exactly once."),
        "plan": (
            "plan",
            "Say what a workload needs: partitions, processes, memory, disk, and the settings to type.",
        ),
        "init": ("init", "Write an event registry for an app of your own. Never overwrites a file."),
        "check": ("check", "Say everything that is wrong with an event registry, by line, with the remedy."),
        "token": ("token", "Print a JWT for trying out, signed with SIDDES_TELEMETRY_JWT_SECRET."),
        "schema": ("schema", "Print a contract."),
    }
)


class LazyCommand(TyperCommand):
    """Stands for a command in the group's list."""

    def __init__(self, name: str, module: str, summary: str) -> None:
        super().__init__(name, help=summary)
        self._module = f"siddes_telemetry.cli.commands.{module}"

    def make_context(self, *args: Any, **extra: Any) -> Any:  # noqa: ANN401  # click's types, which Typer keeps to itself
        """The context of the real command: click goes on with the command that this names."""
        return get_command(import_module(self._module).app).make_context(*args, **extra)


class LazyGroup(TyperGroup):
    """The group of COMMANDS."""

    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401  # those of Typer's groups, passed on
        commands = {name: LazyCommand(name, *listed) for name, listed in COMMANDS.items()}
        super().__init__(**attributes | {"commands": commands})
