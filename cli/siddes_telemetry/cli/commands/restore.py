"""`siddes-telemetry restore`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from siddes_telemetry.cli.backup.copying import WorkProgress
from siddes_telemetry.cli.backup.restoring import check_backup, read_manifest, restore_backup
from siddes_telemetry.cli.commands.command_settings import EventsFile
from siddes_telemetry.cli.commands.operator_settings import embedded_settings
from siddes_telemetry.cli.data_folder import DataFolder
from siddes_telemetry.cli.settings import SettingsError
from siddes_telemetry.cli.sizes import count_text, size_text
from siddes_telemetry.cli.terminal import exit_on_error, format_utc, progress_bar, say

app = typer.Typer(add_completion=False)


@app.command()
def restore(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="What `backup` has written.")],
    check: Annotated[bool, typer.Option("--check", help="Only check the backup. Changes nothing.")] = False,
    events: EventsFile = None,
) -> None:
    """Restore the backup in FOLDER into the data folder, which must be empty and not in use.

    Every file is compared with its checksum. If this is interrupted, run it
    again: until it is done, the data folder cannot be used. What was counted
    after the backup is not in it.
    """
    with exit_on_error():
        settings = embedded_settings(events=events)
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
            typer.echo(f"the backup is whole: {count_text(manifest.rows, 'stored count')}, {size_text(manifest.size)}")
            typer.echo(f"it reaches until {reaches} UTC")
            return
        typer.echo(f"restored into {settings.data}: {count_text(manifest.rows, 'stored count')}, until {reaches} UTC")
        say("what was counted after that is not in it; start the instance, then run siddes-telemetry verify")
