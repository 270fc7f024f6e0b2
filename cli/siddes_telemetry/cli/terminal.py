"""What all commands share: writing messages, and turning errors into exit statuses."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from errno import EADDRINUSE
from socket import gaierror

import typer

from siddes_telemetry.backends.ports.errors import BackendError, LogMissing, StoreMissing
from siddes_telemetry.cli.operator_error import OperatorError
from siddes_telemetry.cli.settings import SettingsError
from siddes_telemetry.web.code_location import code_location

USAGE_ERROR = 2


def say(text: str) -> None:
    """Write a message to standard error. Standard output is for results."""
    with suppress(OSError):  # a full disk, or a closed pipe, is no reason to end
        typer.echo(text, err=True)


@contextmanager
def exit_on_error(*, failure: int = 1) -> Iterator[None]:
    """Turn errors into one message and the exit status `failure`; wrong settings into USAGE_ERROR."""
    try:
        yield
    except SettingsError as error:
        for problem in error.problems:
            say(f"error: {problem}")
        raise typer.Exit(USAGE_ERROR) from None
    except (LogMissing, StoreMissing) as error:
        code = getattr(error, "code", None)
        number = "" if code is None else f" (error {code} of the store)"
        say(f"error: the topic or the tables are not there yet{number}: run siddes-telemetry migrate")
        raise typer.Exit(failure) from None
    except (OperatorError, BackendError) as error:
        say(f"error: {error or type(error).__name__}")
        raise typer.Exit(failure) from None
    except gaierror:
        say("error: the name given as the address to listen on is not known: give an address, such as 127.0.0.1")
        raise typer.Exit(failure) from None
    except BrokenPipeError:  # who reads the results has enough, as `head` does after ten lines
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left is flushed at the exit
        raise typer.Exit(failure) from None
    except OSError as error:
        place = f": {error.filename}" if error.filename else ""  # a path that the operator gave
        remedy = "; choose another with --port or --admin-port" if error.errno == EADDRINUSE else ""
        say(f"error: {error.strerror or type(error).__name__}{place}{remedy}")
        raise typer.Exit(failure) from None
    except (typer.Exit, typer.Abort):
        raise
    except Exception as defect:  # noqa: BLE001  # its text and traceback may quote values from outside
        place = code_location(defect)
        say(f"error: a defect of siddes-telemetry, please report it: {type(defect).__name__} at {place}")
        raise typer.Exit(failure) from None


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """Yields a function of (done, total) that moves a bar on standard error, where that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    with typer.progressbar(length=1, label=label, file=sys.stderr) as bar:

        def show(done: int, total: int) -> None:
            bar.length = max(1, total)
            bar.update(done - bar.pos)

        yield show


def format_utc(epoch_ms: int) -> str:
    """Returns a time as people read it, without the word UTC."""
    return f"{datetime.fromtimestamp(epoch_ms / 1000, UTC):%Y-%m-%d %H:%M:%S}"
