"""`init` and `check`: an app's own registry is written and looked at, with places and remedies."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from siddes_telemetry.cli.main import app
from siddes_telemetry.schemas.registry import MAX_EVENT_ID
from siddes_telemetry.schemas.registry_parsing import parse_registry
from siddes_telemetry.schemas.registry_template import registry_text
from tests.unit.schemas.registry_texts import ONE, TWO


def command(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_init_writes_a_valid_registry_of_the_given_events(tmp_path: Path) -> None:
    file = tmp_path / "events.toml"
    result = command("init", file, "--event", "photo_opened", "--event", "photo_exported")
    assert result.exit_code == 0, result.stderr
    registry = parse_registry(file.read_text())
    assert [(event.name, event.id, event.meaning) for event in registry.events] == [
        ("photo_opened", 1, "Photo opened."),
        ("photo_exported", 2, "Photo exported."),
    ]
    assert f"up --debug --events {file}" in result.stderr
    assert command("check", file).exit_code == 0


def test_the_rate_that_init_shows_is_valid_once_it_is_no_comment(tmp_path: Path) -> None:
    text = registry_text(["photo_opened", "photo_exported"], "events.toml")
    head, rate = text.split("confidence interval:\n")
    registry = parse_registry(head + "\n" + rate.replace("# ", ""))
    assert [(each.numerator, each.denominator) for each in registry.rates] == [("photo_exported", "photo_opened")]


def test_init_without_events_or_a_terminal_writes_two_examples(tmp_path: Path) -> None:
    assert command("init", tmp_path / "e.toml").exit_code == 0
    assert [event.name for event in parse_registry((tmp_path / "e.toml").read_text()).events] == [
        "page_opened",
        "button_pressed",
    ]


def test_init_overwrites_nothing(tmp_path: Path) -> None:
    file = tmp_path / "events.toml"
    file.write_text("mine")
    result = command("init", file, "--event", "photo_opened")
    assert (result.exit_code, file.read_text()) == (1, "mine")
    assert "is there already" in result.stderr


@pytest.mark.parametrize("name", ["a\nrevision = 9\n#.toml", "\udcff.toml", "\x1b[31m.toml"])
def test_init_writes_no_file_whose_name_would_break_its_comment(tmp_path: Path, name: str) -> None:
    assert command("init", tmp_path / name, "--event", "a").exit_code == 2
    assert not [*tmp_path.iterdir()]


def test_what_init_says_next_can_be_typed(tmp_path: Path) -> None:
    assert f"--events '{tmp_path}/my events.toml'" in command("init", tmp_path / "my events.toml").stderr


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["Photo"], "lower case"),
        (["a", "a"], "a stands twice"),
        ([f"e{number}" for number in range(MAX_EVENT_ID + 1)], "there may be 127 events"),
    ],
)
def test_init_refuses_a_name_that_no_event_can_have(tmp_path: Path, names: list[str], says: str) -> None:
    result = command("init", tmp_path / "e.toml", *(part for name in names for part in ("--event", name)))
    assert result.exit_code == 2
    assert says in " ".join(result.stderr.replace("│", "").split())
    assert not (tmp_path / "e.toml").exists()


def test_check_says_every_problem_by_line(tmp_path: Path) -> None:
    file = tmp_path / "events.toml"
    file.write_text(TWO.replace("id = 2", "id = 1") + "x = 1\n")
    result = command("check", file)
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        f"{file}:11: event b: id 1 is the id of event a already: give it one that was never used, such as 2",
        f"{file}:13: event b: unknown key 'x': the keys are name, id, meaning, label, retired",
    ]


def test_check_compares_with_an_earlier_version(tmp_path: Path) -> None:
    before, after = tmp_path / "before.toml", tmp_path / "after.toml"
    before.write_text(ONE)
    after.write_text(TWO)
    refused = command("check", after, "--against", before)
    assert refused.exit_code == 1
    assert f"{after}: the events have changed, and the revision was 1 and is 1: write `revision = 2`" in refused.stderr
    after.write_text(TWO.replace("revision = 1", "revision = 2"))
    result = command("check", after, "--against", before)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"{after}: event b is new",
        f"{after}: valid, revision 2, events: 2 (retired: 0), rates: 0",
    ]


def test_a_command_with_events_of_its_own_says_nothing_of_the_shipped_ones(tmp_path: Path) -> None:
    file = tmp_path / "events.toml"
    file.write_text(ONE)
    own = command("schema", "openapi", "--events", file)
    assert (own.exit_code, own.stderr) == (0, "")
    assert "suggestion" not in own.stdout
    assert "the shipped events" in command("schema", "openapi").stderr


@pytest.mark.parametrize("name", ["missing.toml", "wrong.toml"])
def test_a_registry_that_cannot_be_used_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "wrong.toml").write_text(ONE.replace("id = 1", "id = 0"))
    result = command("schema", "openapi", "--events", tmp_path / name)
    assert result.exit_code == 2
    assert f"the event registry {tmp_path / name}: " in result.stderr
