"""`siddes-telemetry backup` and `siddes-telemetry restore`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from siddes_telemetry.cli.backup.copying import WorkProgress
from siddes_telemetry.cli.backup.restoring import check_backup, read_manifest, restore_backup
from siddes_telemetry.cli.data_folder import DataFolder
from siddes_telemetry.cli.operations.run import run_operation
from siddes_telemetry.cli.settings import Settings, SettingsError
from siddes_telemetry.cli.sizes import size_text
from siddes_telemetry.cli.terminal import exit_on_error, format_utc, operator_settings, progress_bar, say

app = typer.Typer()


@app.command()
def backup(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder that does not exist yet, or is empty.")],
) -> None:
    """Write a backup of an embedded instance into FOLDER, while it runs or while it is stopped.

    The backup has the log and the store as they were at one moment, and is a
    data folder that an instance can be started on. Counts are accepted
    meanwhile. A running instance writes the backup itself, as its own user, and
    goes on with it if this command is interrupted. Until it is whole, FOLDER
    has a temporary name beside the final one.
    On the same file system the files of the store are hard links, which take no
    space: copy the backup to another disk.
    """
    with exit_on_error():
        settings = _embedded_settings()
        target = Path.cwd() / folder  # of this process, not of the running instance
        with progress_bar("writing the backup") as progress:
            done = run_operation(settings, "backup", {"folder": str(target)}, progress)
        typer.echo(
            f"backup of {done['rows']:,} stored counts and a log up to offset {done['next_offset'] - 1:,}, "
            f"{size_text(done['size'])}, written to {folder}"
        )
        typer.echo(f"it reaches until {format_utc(done['reaches_ms'])} UTC")


@app.command()
def restore(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="What `backup` has written.")],
    check: Annotated[bool, typer.Option("--check", help="Only check the backup. Changes nothing.")] = False,
) -> None:
    """Restore the backup in FOLDER into the data folder, which must be empty and not in use.

    Every file is compared with its checksum. If this is interrupted, run it
    again: until it is done, the data folder cannot be used. What was counted
    after the backup is not in it.
    """
    with exit_on_error():
        settings = _embedded_settings()
        data = DataFolder(settings.data)
        if problem := data.problem():
            raise SettingsError([problem])
        manifest = read_manifest(folder)
        reaches = format_utc(manifest.reaches_ms)
        with progress_bar("checking the backup" if check else "restoring the backup") as progress:
            if check:
                check_backup(folder, manifest, WorkProgress(progress))
            else:
                restore_backup(folder, manifest, data, WorkProgress(progress))
        if check:
            typer.echo(f"the backup is whole: {manifest.rows:,} stored counts, {size_text(manifest.size)}")
            typer.echo(f"it reaches until {reaches} UTC")
            return
        typer.echo(f"restored into {settings.data}: {manifest.rows:,} stored counts, until {reaches} UTC")
        say("what was counted after that is not in it; start the instance, then run siddes-telemetry verify")


def _embedded_settings() -> Settings:
    settings = operator_settings()
    if settings.kafka is not None or settings.clickhouse is not None:
        raise SettingsError(
            ["this is for an embedded instance, and KAFKA or CLICKHOUSE is set: see Backup in docs/operations.md"]
        )
    return settings
