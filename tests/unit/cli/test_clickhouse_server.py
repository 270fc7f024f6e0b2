"""The settings of ClickHouse's connections: what fits together, and what is made of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from siddes_telemetry.cli.clickhouse_address import clickhouse_address
from siddes_telemetry.cli.clickhouse_server import clickhouse_login, clickhouse_tls
from siddes_telemetry.cli.settings import PREFIX, SettingsError
from siddes_telemetry.cli.settings_loader import load_settings

URL = "http://canary-user:canary-password@ch/counts"


def given(monkeypatch: pytest.MonkeyPatch, **settings: str) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(PREFIX + name, value)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"CLICKHOUSE": URL, "CLICKHOUSE_USER": "canary"}, ["CLICKHOUSE_USER: CLICKHOUSE has a user too; remove"]),
        ({"CLICKHOUSE": URL, "CLICKHOUSE_PASSWORD": "canary"}, ["CLICKHOUSE_PASSWORD: CLICKHOUSE has a password too"]),
        ({"CLICKHOUSE": URL, "CLICKHOUSE_PASSWORD_FILE": "FILE"}, ["CLICKHOUSE_PASSWORD_FILE: CLICKHOUSE has a pass"]),
        (
            {"CLICKHOUSE": URL, "CLICKHOUSE_CA_FILE": "FILE"},
            ["CLICKHOUSE_CA_FILE: needs an https URL in CLICKHOUSE; set that or remove this"],
        ),
        (
            {"CLICKHOUSE_USER": "canary", "CLICKHOUSE_PASSWORD_FILE": "FILE", "CLICKHOUSE_CA_FILE": "FILE"},
            [f"CLICKHOUSE_{name}: needs CLICKHOUSE; set" for name in ("USER", "PASSWORD_FILE", "CA_FILE")],
        ),
        ({"CLICKHOUSE": "http://ch/counts", "CLICKHOUSE_USER": "a\nb"}, ["CLICKHOUSE_USER: must be 1 to 255"]),
    ],
)
def test_what_does_not_fit_together_is_named_without_a_value(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: dict[str, str], said: list[str]
) -> None:
    file = tmp_path / "canary"
    file.write_text("canary-in-a-file")
    given(monkeypatch, **{name: str(file) if value == "FILE" else value for name, value in settings.items()})
    with pytest.raises(SettingsError) as raised:
        load_settings()
    assert len(raised.value.problems) == len(said)
    for problem, words in zip(raised.value.problems, said, strict=True):
        assert problem.startswith(PREFIX + words)
        assert "canary" not in problem


@pytest.mark.parametrize(
    ("settings", "login"),
    [
        ({"CLICKHOUSE": "http://u:p@ch/counts"}, ("u", "p")),
        ({"CLICKHOUSE": "http://ch/counts"}, ("default", "")),
        ({"CLICKHOUSE": "http://ch/counts", "CLICKHOUSE_USER": "u", "CLICKHOUSE_PASSWORD": "p%41"}, ("u", "p%41")),
        ({"CLICKHOUSE": "http://u@ch/counts", "CLICKHOUSE_PASSWORD": "p"}, ("u", "p")),
        ({"CLICKHOUSE": "http://ch/counts", "CLICKHOUSE_PASSWORD": "p"}, ("default", "p")),
    ],
)
def test_user_and_password_are_beside_the_url_or_in_it(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], login: tuple[str, str]
) -> None:
    given(monkeypatch, **settings)
    loaded = load_settings()
    made = clickhouse_login(loaded, clickhouse_address(loaded))
    assert (made.user, made.password.current()) == login


def test_a_password_file_is_read_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("old\n")
    given(monkeypatch, CLICKHOUSE="http://u@ch/counts", CLICKHOUSE_PASSWORD_FILE=str(file))
    loaded = load_settings()
    login = clickhouse_login(loaded, clickhouse_address(loaded))
    before = login.headers()
    file.write_text("new\n")
    assert login.password.current() == "new"
    assert login.headers() != before
    file.unlink()
    assert login.password.current() == "new"


def test_https_checks_certificates_and_http_has_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given(monkeypatch, CLICKHOUSE="http://u@ch/counts")
    loaded = load_settings()
    assert clickhouse_tls(loaded, clickhouse_address(loaded)) is None
    given(monkeypatch, CLICKHOUSE="https://u@ch/counts", CLICKHOUSE_CA_FILE=str(tmp_path / "canary"))
    loaded = load_settings()
    with pytest.raises(SettingsError, match="CLICKHOUSE_CA_FILE: cannot be read") as raised:
        clickhouse_tls(loaded, clickhouse_address(loaded))
    assert "canary" not in str(raised.value)


@pytest.mark.parametrize("name", ["pair", "{cluster}", "eu.west-1", "it's"])
def test_a_cluster_may_have_any_name(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    given(monkeypatch, CLUSTER=name)
    assert load_settings().cluster == name


@pytest.mark.parametrize("name", ["a\nb", "x" * 201])
def test_what_is_no_name_of_a_cluster_is_said(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    given(monkeypatch, CLUSTER=name)
    with pytest.raises(SettingsError, match=f"{PREFIX}CLUSTER: must be a cluster's name of 1 to 200 characters"):
        load_settings()
