"""Help, errors in settings, tokens and contracts: what commands print without a running service. In this process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import jwt
import pytest
from typer.testing import CliRunner, Result

from siddes_telemetry.cli.main import app
from siddes_telemetry.cli.version import installed_version
from siddes_telemetry.schemas.viewer import pseudonym
from siddes_telemetry.web.auth.claims import ClaimRules, read_claims
from tests.product.deployments import JWT_SECRET
from tests.product.process import run

COMMANDS = ("up", "gateway", "consumer", "summary", "migrate", "purge", "dead-letters", "plan", "token", "schema")
SECRET = {"JWT_SECRET": JWT_SECRET}
KAFKA = {"KAFKA": "127.0.0.1:9"}
CLICKHOUSE = {"CLICKHOUSE": "http://user:canary@127.0.0.1:9/counts"}
CANARY = "canary1f6f0f9d"
NEW_LOG_OF_NO_STORE = ("migrate", "--topics", "--new-log")
NO_AUTHENTICATOR = "error: no viewer could be authenticated: "


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("SIDDES_TELEMETRY_")]:
        monkeypatch.delenv(name)


def say(*arguments: str, settings: dict[str, str] | None = None) -> Result:
    """What a command says that does not get as far as doing something."""
    env = {f"SIDDES_TELEMETRY_{name}": value for name, value in (settings or {}).items()}
    return CliRunner().invoke(app, arguments, env=env)


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS), ("schema", "openapi"), ("schema", "ddl")])
def test_every_command_has_a_help_text(command: tuple[str, ...]) -> None:
    result = say(*command, "--help")
    assert result.exit_code == 0
    assert "Usage: siddes-telemetry" in result.stdout or "Usage: root" in result.stdout


def test_a_reader_that_has_enough_is_no_error() -> None:
    installed = Path(sys.executable).with_name("siddes-telemetry")
    plan = [str(installed), "plan", "--events-per-second", "1", "--viewers", "1", "--retention-days", "30"]
    with subprocess.Popen(plan, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()  # before the first line, as `true` would
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (1, b"")


def test_the_script_and_the_module_are_the_same_command() -> None:
    installed = Path(sys.executable).with_name("siddes-telemetry")
    done = subprocess.run([installed, "--version"], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == f"{installed_version()}\n"
    as_module = run("--version", settings={})
    assert (as_module.returncode, as_module.stdout, as_module.stderr) == (0, f"{installed_version()}\n", "")


@pytest.mark.parametrize(
    "arguments", [("no-such-command",), ("up", "--port", "65536"), ("purge", "--days", "-1"), NEW_LOG_OF_NO_STORE, ()]
)
def test_a_wrong_command_line_is_a_usage_error(arguments: tuple[str, ...]) -> None:
    assert say(*arguments).exit_code == 2


def test_all_wrong_settings_are_named_at_once_without_their_values() -> None:
    wrong = {"RETENTION_DAYS": CANARY, "RATE": "-1", "ORIGINS": CANARY, "LOG_LEVEL": CANARY, "JWT_SECRET": CANARY}
    done = say("gateway", settings={**wrong, "VIEWER_KEY": "short", "JWT_ALGORITHM": CANARY, "DEBUG": CANARY})
    assert done.exit_code == 2
    for name in ("RETENTION_DAYS", "RATE", "ORIGINS", "LOG_LEVEL", "VIEWER_KEY", "JWT_ALGORITHM", "DEBUG", "KAFKA"):
        assert f"error: SIDDES_TELEMETRY_{name}: " in done.stderr
    assert CANARY not in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_missing_settings_and_a_missing_authenticator_are_named_at_once() -> None:
    missing, authenticator = say("gateway").stderr.splitlines()
    assert missing == "error: SIDDES_TELEMETRY_KAFKA: must be set"
    assert authenticator.startswith(NO_AUTHENTICATOR)


@pytest.mark.parametrize(
    ("command", "settings", "missing"),
    [
        ("gateway", SECRET, ["KAFKA"]),
        ("summary", SECRET, ["CLICKHOUSE"]),
        ("consumer", {}, ["KAFKA", "CLICKHOUSE"]),
        ("migrate", KAFKA, ["CLICKHOUSE"]),
        ("migrate", CLICKHOUSE, ["KAFKA"]),
        ("migrate --topics", CLICKHOUSE, ["KAFKA"]),
        ("migrate --store", {}, ["CLICKHOUSE"]),
        ("migrate --topics --store", {}, ["KAFKA", "CLICKHOUSE"]),
        ("purge", KAFKA, ["CLICKHOUSE"]),
        ("dead-letters", CLICKHOUSE, ["KAFKA"]),
        ("token", {}, ["JWT_SECRET"]),
    ],
)
def test_missing_settings_of_a_command_are_named(command: str, settings: dict[str, str], missing: list[str]) -> None:
    done = say(*command.split(), *(("--viewer", "alice") if command == "token" else ()), settings=settings)
    assert done.exit_code == 2
    assert done.stdout == ""
    expected = [f"error: SIDDES_TELEMETRY_{name}: must be set" for name in missing]
    assert done.stderr.splitlines() == expected


@pytest.mark.parametrize(
    ("command", "settings"), [("up", {}), ("gateway", KAFKA), ("summary", CLICKHOUSE), ("up", {"VIEWER_KEY": "k" * 16})]
)
def test_a_service_without_an_authenticator_does_not_start(
    command: str, settings: dict[str, str], tmp_path: Path
) -> None:
    done = say(command, settings={"DATA": str(tmp_path / "data"), **settings})
    assert done.exit_code == 2
    assert done.stderr.startswith(NO_AUTHENTICATOR)
    for name in ("JWT_SECRET", "JWT_KEY_FILE", "JWT_JWKS_URL", "AUTH_URL", "DEBUG"):
        assert f"SIDDES_TELEMETRY_{name}" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_authenticators_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    url = {"JWT_JWKS_URL": "https://issuer.example/jwks"}
    for settings in (
        url | {"JWT_KEY_FILE": "keys.pem"},
        url | SECRET | {"JWT_ALGORITHM": "HS256"},
        SECRET | {"JWT_ALGORITHM": "RS256"},
        {"JWT_SECRET": "x" * 31},
        {"AUTH_URL": "http://user:canary@host/"},
    ):
        done = say("up", settings={"DATA": str(tmp_path), **settings})
        assert done.exit_code == 2
        assert done.stderr.startswith("error: ")
        assert "canary" not in done.stderr
        assert "x" * 31 not in done.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com"])
def test_debug_listens_on_loopback_only(host: str, tmp_path: Path) -> None:
    for arguments, settings in (
        (("up", "--debug"), {}),
        (("up",), {"DEBUG": "1"}),
        (("gateway",), {**KAFKA, "DEBUG": "1"}),
        (("summary",), {**CLICKHOUSE, "DEBUG": "1"}),
    ):
        done = say(*arguments, "--host", host, settings={"DATA": str(tmp_path), **settings})
        assert done.exit_code == 2
        assert "loopback" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_misspelt_setting_is_a_warning_only() -> None:
    done = say("token", "--viewer", "alice", settings={**SECRET, "RETENTION": CANARY})
    assert done.exit_code == 0
    assert done.stderr == "warning: SIDDES_TELEMETRY_RETENTION is no setting; is it misspelt?\n"


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(JWT_SECRET + "\n")
    done = say("token", "--viewer", "alice", settings={"JWT_SECRET_FILE": str(tmp_path / "secret")})
    assert jwt.decode(done.stdout.strip(), JWT_SECRET, algorithms=["HS256"])["sub"] == "alice"
    for settings in (
        {"JWT_SECRET_FILE": str(tmp_path / CANARY)},
        {"JWT_SECRET_FILE": str(tmp_path / "secret"), "JWT_SECRET": CANARY},
    ):
        refused = say("token", "--viewer", "alice", settings=settings)
        assert refused.exit_code == 2
        assert refused.stderr.startswith("error: SIDDES_TELEMETRY_JWT_SECRET_FILE: ")
        assert CANARY not in refused.stderr


def test_a_token_has_the_claims_that_services_require() -> None:
    settings = {**SECRET, "JWT_ISSUER": "https://issuer.example", "JWT_AUDIENCE": "counts"}
    done = say("token", "--viewer", "a.b:c@d-e_1", "--hours", "2", settings=settings)
    assert done.stderr == ""
    claims = jwt.decode(
        done.stdout.strip(), JWT_SECRET, algorithms=["HS256"], issuer="https://issuer.example", audience="counts"
    )
    assert claims["sub"] == "a.b:c@d-e_1"
    assert set(claims) == {"sub", "exp", "iss", "aud"}


def test_a_token_names_the_viewer_in_the_configured_claim() -> None:
    done = say("token", "--viewer", "alice", settings={**SECRET, "JWT_CLAIM": "user.id"})
    payload = jwt.PyJWS().decode(done.stdout.strip(), JWT_SECRET, algorithms=["HS256"])
    rules = ClaimRules(subject="user.id")
    assert read_claims(payload, rules, now=0).subject == "alice"


@pytest.mark.parametrize("viewer", ["", f"{CANARY} ", "x" * 65, "é", f"{CANARY}@mail.example", f"{CANARY}\n"])
def test_no_token_is_made_for_a_viewer_that_services_refuse(viewer: str) -> None:
    done = say("token", "--viewer", viewer, settings=SECRET)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: --viewer: ")
    assert CANARY not in done.stderr


def test_a_token_for_an_e_mail_address_needs_pseudonyms() -> None:
    done = say("token", "--viewer", "alice@mail.example", settings={**SECRET, "VIEWER_KEY": "k" * 16})
    assert done.exit_code == 0
    assert pseudonym("alice@mail.example", b"k" * 16) not in done.stdout


def test_the_contracts_are_printed() -> None:
    done = say("schema", "openapi", settings={"SESSION_COOKIE": "sid"})
    document = json.loads(done.stdout)
    assert document["openapi"] == "3.1.0"
    assert document["components"]["securitySchemes"]["session"]["name"] == "sid"
    ddl = say("schema", "ddl", settings={"RETENTION_DAYS": "91", "CLICKHOUSE": "http://u:p@h:1/counted"})
    assert "CREATE TABLE" in ddl.stdout
    assert "INTERVAL 91 DAY" in ddl.stdout
    assert "counted.telemetry_counts" in ddl.stdout.replace("`", "")
    module = say("schema", "typescript", "--url", "/base/api/telemetry/batch/")
    assert '{ url: "/base/api/telemetry/batch/" }' in module.stdout


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080", "/base", "", "batch", "//other.example/batch", "/a b", "ftp://a.example/batch"]
)
def test_an_address_to_which_the_sdk_could_not_post_is_refused(url: str) -> None:
    done = say("schema", "typescript", "--url", url)
    assert done.exit_code == 2
    assert done.stdout == ""


def test_a_mangled_secret_stops_a_real_process_and_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "bom").write_text(f"\ufeff{JWT_SECRET}\n", encoding="utf-8")
    done = run(
        "gateway",
        settings={
            **KAFKA,
            "JWT_SECRET_FILE": str(tmp_path / "bom"),
            "VIEWER_KEY": f"{CANARY}\r",
            "CLICKHOUSE": f'"{CLICKHOUSE["CLICKHOUSE"]}"',
        },
    )
    assert done.returncode == 2
    for problem in (
        "JWT_SECRET_FILE: begins with a byte order mark",
        "VIEWER_KEY: ends with white space",
        "CLICKHOUSE: has quotes around it",
    ):
        assert f"error: SIDDES_TELEMETRY_{problem}" in done.stderr
    assert JWT_SECRET not in done.stderr
    assert "canary" not in done.stderr
