"""What ends a command is a sentence and a status, whatever it was."""

from __future__ import annotations

from socket import gaierror

import pytest
import typer

from siddes_telemetry.backends.ports.errors import StoreUnavailable
from siddes_telemetry.cli.settings import SettingsError
from siddes_telemetry.cli.terminal import exit_on_error

CANARY = "canary1f6f0f9d"


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (SettingsError(["one", "two"]), 2, "error: one\nerror: two\n"),
        (StoreUnavailable("closed"), 3, "error: closed\n"),
        (FileNotFoundError(2, "No such file", "data"), 3, "error: No such file: data\n"),
        (
            gaierror(-2, "Name or service not known"),
            3,
            "error: the name given as the address to listen on is not known",
        ),
        (
            OverflowError(CANARY),
            3,
            "error: a defect of siddes-telemetry, please report it: OverflowError at terminal.py",
        ),
        (typer.Exit(7), 7, ""),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_is_a_sentence_and_a_status(
    error: Exception, status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as raised, exit_on_error(failure=3):
        raise error
    assert raised.value.exit_code == status
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(said)
    assert CANARY not in shown.err
    assert "Traceback" not in shown.err


def test_who_says_no_is_not_told_of_a_defect(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Abort), exit_on_error():
        raise typer.Abort
    assert capsys.readouterr().err == ""
