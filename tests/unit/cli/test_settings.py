"""Settings come from the environment; what is wrong is named at once, and no value is shown."""

from __future__ import annotations

import os
from pathlib import Path
from subprocess import Popen

import pytest

from siddes_telemetry.cli import small_file
from siddes_telemetry.cli.registry_file import load_registry
from siddes_telemetry.cli.settings import PREFIX, SettingsError
from siddes_telemetry.cli.settings_loader import load_settings, unknown_variables
from siddes_telemetry.cli.small_file import MAX_BYTES


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)


def given(monkeypatch: pytest.MonkeyPatch, **settings: str) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(PREFIX + name, value)


def test_the_defaults_are_those_of_the_contract() -> None:
    settings = load_settings()
    assert (settings.enabled, settings.retention_days, settings.debug) == (True, 30, False)
    assert (settings.topic, settings.group) == ("siddes.telemetry.v1", "siddes-telemetry")
    assert (settings.partitions, settings.replication, settings.rate) == (8, None, 100)
    assert (settings.session_cookie, settings.auth_field, settings.data) == ("sessionid", "viewer_id", Path("data"))


def test_tokens_are_read_as_they_mostly_are_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings()
    assert (settings.jwt_algorithm, settings.jwt_claim, settings.jwt_leeway) == (None, "sub", 30)
    given(monkeypatch, JWT_ALGORITHM="ES256K", JWT_CLAIM="https://app.example/id", JWT_LEEWAY="0")
    settings = load_settings()
    assert (settings.jwt_algorithm, settings.jwt_claim, settings.jwt_leeway) == ("ES256K", "https://app.example/id", 0)


@pytest.mark.parametrize(
    ("name", "value"), [("LEEWAY", "-1"), ("LEEWAY", "301"), ("LEEWAY", "x"), ("ALGORITHM", "none")]
)
def test_no_other_leeway_or_algorithm_is_taken(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    given(monkeypatch, **{f"JWT_{name}": value})
    with pytest.raises(SettingsError, match=f"JWT_{name}"):
        load_settings()


def test_an_empty_variable_is_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, KAFKA="", RETENTION_DAYS="")
    assert (load_settings().kafka, load_settings().retention_days) == (None, 30)


def test_everything_wrong_or_missing_is_named_at_once_and_no_value_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {
        "RETENTION_DAYS": "0",
        "RATE": "canary-rate",
        "CLICKHOUSE": "http://canary-user:canary-password@host:8123/",
        "JWT_ALGORITHM": "canary-none",
        "VIEWER_KEY": "canary-key",
        "ORIGINS": "canary-origin",
        "AUTH_URL": "ftp://canary-host/me",
        "DEBUG": "canary-maybe",
    }
    given(monkeypatch, **wrong)
    with pytest.raises(SettingsError) as raised:
        load_settings(needs=("kafka",))
    named = {problem.split(":")[0] for problem in raised.value.problems}
    assert named == {PREFIX + name for name in [*wrong, "KAFKA"]}
    assert "canary" not in str(raised.value)
    assert raised.value.__cause__ is None


@pytest.mark.parametrize("days", ["1", "3650"])
def test_the_retention_may_be_a_day_or_ten_years(monkeypatch: pytest.MonkeyPatch, days: str) -> None:
    given(monkeypatch, RETENTION_DAYS=days)
    assert load_settings().retention_days == int(days)


@pytest.mark.parametrize("days", ["0", "3651", "1.5", "a month"])
def test_no_other_retention_is_taken(monkeypatch: pytest.MonkeyPatch, days: str) -> None:
    given(monkeypatch, RETENTION_DAYS=days)
    with pytest.raises(SettingsError, match="RETENTION_DAYS"):
        load_settings()


def test_a_secret_may_be_given_as_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("0123456789abcdef0123456789abcdef\n")
    given(monkeypatch, JWT_SECRET_FILE=str(file))
    secret = load_settings().jwt_secret
    assert secret is not None
    assert secret.get_secret_value() == "0123456789abcdef0123456789abcdef"


SECRETS = {
    "JWT_SECRET": "canary-0123456789abcdef-0123456789abcdef",
    "VIEWER_KEY": "canary-0123456789abcdef",
    "CLICKHOUSE": "http://user:canary-password@host:8123/db",
}


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("suffix", ["", "_FILE"])
@pytest.mark.parametrize(
    ("form", "problem"),
    [
        ("\ufeff{}", "begins with a byte order mark"),
        ("\ufeff{}\n", "begins with a byte order mark"),
        ('"{}"', "has quotes around it"),
        ("'{}'", "has quotes around it"),
        (" {}", "begins with white space"),
        ("\n{}", "begins with white space"),
        ("{} ", "ends with white space"),
        ("{}\t", "ends with white space"),
        ("{}\u00a0", "ends with white space"),
        ("{}\u200b", "ends with white space"),
        ("{}\ufeff", "ends with white space"),
        (" {} ", "begins and ends with white space"),
        ('"{}" ', "ends with white space"),
    ],
)
def test_what_stands_around_a_secret_is_named_and_the_secret_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, name: str, suffix: str, form: str, problem: str
) -> None:
    variable = name + suffix
    text = form.format(SECRETS[name])
    if suffix:
        (tmp_path / "secret").write_text(text + "\n", encoding="utf-8")
        text = str(tmp_path / "secret")
    given(monkeypatch, **{variable: text})
    with pytest.raises(SettingsError) as raised:
        load_settings()
    [said] = raised.value.problems
    assert said.startswith(f"{PREFIX}{variable}: {problem}")
    assert f"{PREFIX}SECRETS_AS_GIVEN=1" in said
    assert "canary" not in said


@pytest.mark.parametrize("text", ["{} ", "{}\r", "{}\r\n"])
def test_a_line_end_in_a_variable_is_white_space(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    given(monkeypatch, VIEWER_KEY=text.format(SECRETS["VIEWER_KEY"]))
    with pytest.raises(SettingsError, match="ends with white space"):
        load_settings()


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n", "\r"])
def test_line_ends_of_a_file_are_not_part_of_the_secret(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, end: str
) -> None:
    (tmp_path / "key").write_bytes(SECRETS["VIEWER_KEY"].encode() + end.encode())
    given(monkeypatch, VIEWER_KEY_FILE=str(tmp_path / "key"))
    key = load_settings().viewer_key
    assert key is not None
    assert key.get_secret_value() == SECRETS["VIEWER_KEY"]


@pytest.mark.parametrize("text", ["{} ", '"{}"', " {}", "\ufeff{}"])
def test_a_secret_in_use_that_is_like_that_is_taken_as_given_on_demand(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    key = text.format(SECRETS["VIEWER_KEY"])
    given(monkeypatch, VIEWER_KEY=key, SECRETS_AS_GIVEN="1")
    taken = load_settings().viewer_key
    assert taken is not None
    assert taken.get_secret_value() == key


@pytest.mark.parametrize("inside", ['a"b', "a b", "'ab", 'ab"', "'ab\"", "a\u00a0b"])
def test_what_stands_inside_of_a_secret_is_its_own(monkeypatch: pytest.MonkeyPatch, inside: str) -> None:
    given(monkeypatch, JWT_SECRET=inside)
    secret = load_settings().jwt_secret
    assert secret is not None
    assert secret.get_secret_value() == inside


def test_a_secret_twice_or_a_file_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given(monkeypatch, JWT_SECRET="x" * 32, JWT_SECRET_FILE=str(tmp_path), VIEWER_KEY_FILE=str(tmp_path / "none"))
    with pytest.raises(SettingsError) as raised:
        load_settings()
    assert [problem.split(":")[0] for problem in raised.value.problems] == [
        PREFIX + "JWT_SECRET_FILE",
        PREFIX + "VIEWER_KEY_FILE",
    ]
    assert str(tmp_path) not in str(raised.value)


@pytest.mark.parametrize("name", ["JWT_SECRET", "VIEWER_KEY", "CLICKHOUSE"])
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("folder", "must be a file"),
        ("pipe", "is a pipe that nothing is written to"),
        ("device", "must be a file"),
        ("large", "must not be larger than"),
        ("bytes", "is not UTF-8"),
        ("empty", "is empty"),
    ],
)
def test_what_is_no_file_of_a_secret_is_named_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, kind: str, said: str
) -> None:
    monkeypatch.setattr(small_file, "PIPE_PATIENCE_S", 0.05)
    path = odd_file(tmp_path, kind)
    given(monkeypatch, **{f"{name}_FILE": str(path)})
    with pytest.raises(SettingsError) as raised:
        load_settings()
    (problem,) = raised.value.problems
    assert problem.startswith(f"{PREFIX}{name}_FILE: {said}")


def test_a_secret_may_come_through_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a shell's `<(…)` gives it: in pieces, from a command that is not done at once."""
    reads, writes = os.pipe()
    command = Popen(["sh", "-c", "printf %s 0123456789abcdef; sleep 0.1; echo 0123456789abcdef"], stdout=writes)
    os.close(writes)
    with command:
        given(monkeypatch, JWT_SECRET_FILE=f"/dev/fd/{reads}")
        settings = load_settings()
    os.close(reads)
    assert settings.jwt_secret is not None
    assert settings.jwt_secret.get_secret_value() == "0123456789abcdef" * 2


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("folder", "it must be a file"),
        ("pipe", "it is a pipe that nothing is written to"),
        ("large", "it must not be larger than"),
        ("bytes", "the file is not UTF-8"),
        ("empty", "revision must be"),
        ("deep", "not TOML"),
        ("none", "there is no such file"),
    ],
)
def test_what_is_no_registry_is_named_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str, said: str
) -> None:
    monkeypatch.setattr(small_file, "PIPE_PATIENCE_S", 0.05)
    with pytest.raises(SettingsError) as raised:
        load_registry(odd_file(tmp_path, kind))
    assert raised.value.problems[0].startswith(f"the event registry {tmp_path / kind}: {said}")


def odd_file(folder: Path, kind: str) -> Path:
    path = folder / kind
    match kind:
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case "none":
            pass
        case _:
            content = {"large": b"# " * MAX_BYTES, "bytes": b"\xff" * 40, "empty": b"\n", "deep": b"a=" + b"[" * 99_999}
            path.write_bytes(content[kind])
    return path


def test_no_secret_shows_in_a_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    given(
        monkeypatch,
        JWT_SECRET="canary-" * 6,
        VIEWER_KEY="canary-" * 6,
        CLICKHOUSE="http://user:canary-password@host:8123/db",
    )
    assert "canary" not in repr(load_settings())


def test_origins_are_a_list_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, ORIGINS="https://App.example:443, http://localhost:3000,")
    assert load_settings().origins == ["https://app.example", "http://localhost:3000"]


def test_the_flag_switches_debug_on_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, DEBUG="0")
    assert load_settings(debug=True).debug
    assert not load_settings().debug


def test_a_misspelt_setting_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, RETENTON_DAYS="7", JWT_SECRET_FILE="", KAFKA="x")
    assert unknown_variables() == [PREFIX + "RETENTON_DAYS"]
