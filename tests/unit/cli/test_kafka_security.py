"""The settings of Kafka's security: what fits together, and what is named where it does not."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from siddes_telemetry.backends.kafka.security import KafkaSecurity
from siddes_telemetry.cli.kafka_security import kafka_security
from siddes_telemetry.cli.settings import PREFIX, Settings, SettingsError
from siddes_telemetry.cli.settings_loader import load_settings, unknown_variables
from tests.infrastructure.certificates import Authority, written

TOKENS = {
    "KAFKA_SASL": "oauthbearer",
    "KAFKA_TOKEN_URL": "https://idp.example/token",
    "KAFKA_CLIENT_ID": "gateway",
    "KAFKA_CLIENT_SECRET": "canary-secret",
    "KAFKA_SCOPE": "kafka.write kafka.read",
}
PASSWORD = {"KAFKA_SASL": "SCRAM-SHA-512", "KAFKA_USER": "gateway", "KAFKA_PASSWORD": "canary-password"}


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)


def given(monkeypatch: pytest.MonkeyPatch, settings: Mapping[str, str]) -> Settings:
    for name, value in settings.items():
        monkeypatch.setenv(PREFIX + name, value)
    return load_settings()


def wanted(monkeypatch: pytest.MonkeyPatch, settings: Mapping[str, str]) -> dict[str, Any]:
    return kafka_security(given(monkeypatch, settings)).connection_settings()


def test_connections_are_plaintext_by_default_and_empty_is_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = {name.upper(): "" for name in Settings.model_fields if name.startswith("kafka_")}
    assert kafka_security(given(monkeypatch, nothing)) == KafkaSecurity()


def test_a_password_is_used_as_kafka_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = wanted(monkeypatch, {"KAFKA_SECURITY": "SASL_SSL", **PASSWORD})
    assert settings.pop("ssl_context") is not None
    assert settings == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "gateway",
        "sasl_plain_password": "canary-password",
    }


def test_tokens_come_from_an_endpoint_that_a_public_ca_or_the_brokers_may_have_signed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ca = written(tmp_path / "ca.pem", Authority().pem)
    settings = wanted(monkeypatch, {"KAFKA_SECURITY": "sasl_ssl", **TOKENS, "KAFKA_CA_FILE": str(ca)})
    assert settings["sasl_mechanism"] == "OAUTHBEARER"
    endpoint = settings["sasl_oauth_token_provider"]._fetch.__self__
    assert (endpoint.url, endpoint.client_id, endpoint.client_secret.current(), endpoint.scope) == (
        TOKENS["KAFKA_TOKEN_URL"],
        TOKENS["KAFKA_CLIENT_ID"],
        TOKENS["KAFKA_CLIENT_SECRET"],
        TOKENS["KAFKA_SCOPE"],
    )
    system = ssl.create_default_context().cert_store_stats()["x509"]
    assert endpoint.tls.current().cert_store_stats()["x509"] == system + 1
    assert settings["ssl_context"].cert_store_stats()["x509"] == 1


WRONG: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "an unknown protocol": ({"KAFKA_SECURITY": "tls"}, {"KAFKA_SECURITY": "Input should be 'plaintext', 'ssl'"}),
    "an unknown mechanism": (
        {"KAFKA_SECURITY": "sasl_ssl", "KAFKA_SASL": "gssapi"},
        {"KAFKA_SASL": "Input should be 'plain', 'scram-sha-256'"},
    ),
    "SASL without a mechanism": ({"KAFKA_SECURITY": "sasl_ssl"}, {"KAFKA_SASL": "must be set for KAFKA_SECURITY=sasl"}),
    "a mechanism without SASL": (
        {"KAFKA_SECURITY": "ssl", **PASSWORD},
        {"KAFKA_SASL": "needs KAFKA_SECURITY=sasl_ssl"},
    ),
    "a user without a password": (
        {"KAFKA_SECURITY": "sasl_ssl", **PASSWORD, "KAFKA_PASSWORD": ""},
        {"KAFKA_PASSWORD": "must be set (or KAFKA_PASSWORD_FILE) for KAFKA_SASL=scram-sha-512"},
    ),
    "neither": (
        {"KAFKA_SECURITY": "sasl_ssl", "KAFKA_SASL": "plain"},
        {"KAFKA_USER": "must be set for KAFKA_SASL=plain", "KAFKA_PASSWORD": "must be set"},
    ),
    "a password for nothing": (
        {"KAFKA_USER": "gateway", "KAFKA_PASSWORD": "canary"},
        {"KAFKA_USER": "needs KAFKA_SASL=plain, scram", "KAFKA_PASSWORD": "needs KAFKA_SASL=plain, scram"},
    ),
    "a password beside tokens": (
        {"KAFKA_SECURITY": "sasl_ssl", **TOKENS, "KAFKA_PASSWORD": "canary"},
        {"KAFKA_PASSWORD": "needs KAFKA_SASL=plain, scram"},
    ),
    "tokens beside a password": (
        {"KAFKA_SECURITY": "sasl_ssl", **TOKENS, **PASSWORD},
        dict.fromkeys(
            ("KAFKA_TOKEN_URL", "KAFKA_CLIENT_ID", "KAFKA_CLIENT_SECRET", "KAFKA_SCOPE"), "needs KAFKA_SASL=oauthbearer"
        ),
    ),
    "tokens from nowhere": (
        {"KAFKA_SECURITY": "sasl_ssl", "KAFKA_SASL": "oauthbearer"},
        {
            "KAFKA_TOKEN_URL": "must be set for KAFKA_SASL=oauthbearer",
            "KAFKA_CLIENT_ID": "must be set",
            "KAFKA_CLIENT_SECRET": "must be set (or KAFKA_CLIENT_SECRET_FILE)",
        },
    ),
    "tokens in clear text": (
        {"KAFKA_SECURITY": "sasl_ssl", **TOKENS, "KAFKA_TOKEN_URL": "http://idp.example/token"},
        {"KAFKA_TOKEN_URL": "must be an https URL"},
    ),
    "a user in the URL": (
        {"KAFKA_SECURITY": "sasl_ssl", **TOKENS, "KAFKA_TOKEN_URL": "https://canary:canary@idp.example/token"},
        {"KAFKA_TOKEN_URL": "has a user or a fragment"},
    ),
    "no scope": ({"KAFKA_SECURITY": "sasl_ssl", **TOKENS, "KAFKA_SCOPE": "a  b"}, {"KAFKA_SCOPE": "must be names"}),
    "a CA for plaintext": ({"KAFKA_CA_FILE": "ca.pem"}, {"KAFKA_CA_FILE": "needs KAFKA_SECURITY=ssl or sasl_ssl"}),
    "a certificate without key": (
        {"KAFKA_SECURITY": "ssl", "KAFKA_CERT_FILE": "canary.crt"},
        {"KAFKA_KEY_FILE": "must be set, since KAFKA_CERT_FILE is"},
    ),
    "a key without certificate": (
        {"KAFKA_SECURITY": "ssl", "KAFKA_KEY_FILE": "canary.key"},
        {"KAFKA_CERT_FILE": "must be set, since KAFKA_KEY_FILE is"},
    ),
    "a key's password without key": (
        {"KAFKA_SECURITY": "ssl", "KAFKA_KEY_PASSWORD": "canary"},
        {"KAFKA_KEY_PASSWORD": "is of no use without KAFKA_CERT_FILE and KAFKA_KEY_FILE"},
    ),
    "white space": ({"KAFKA_PASSWORD": "canary "}, {"KAFKA_PASSWORD": "ends with white space"}),
    "twice": (
        {"KAFKA_SECURITY": "sasl_ssl", **PASSWORD, "KAFKA_PASSWORD_FILE": "/canary"},
        {"KAFKA_PASSWORD_FILE": "SIDDES_TELEMETRY_KAFKA_PASSWORD is set too"},
    ),
    "no file": (
        {"KAFKA_SECURITY": "sasl_ssl", **PASSWORD, "KAFKA_PASSWORD": "", "KAFKA_PASSWORD_FILE": "/canary"},
        {"KAFKA_PASSWORD_FILE": "cannot be read"},
    ),
}


@pytest.mark.parametrize(("settings", "problems"), WRONG.values(), ids=WRONG)
def test_what_does_not_fit_together_is_named_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], problems: dict[str, str]
) -> None:
    with pytest.raises(SettingsError) as raised:
        given(monkeypatch, settings)
    said = dict(problem.removeprefix(PREFIX).split(": ", 1) for problem in raised.value.problems)
    assert said.keys() == problems.keys()
    assert all(said[name].startswith(problem) for name, problem in problems.items()), said
    assert "canary" not in str(raised.value)


def test_files_that_cannot_be_used_stop_the_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = given(monkeypatch, {"KAFKA_SECURITY": "ssl", "KAFKA_CA_FILE": str(tmp_path / "canary")})
    with pytest.raises(SettingsError) as raised:
        kafka_security(settings)
    assert raised.value.problems == ("SIDDES_TELEMETRY_KAFKA_CA_FILE: cannot be read",)


@pytest.mark.parametrize(
    ("login", "warnings"),
    [
        ({**PASSWORD, "KAFKA_SASL": "plain"}, ["kafka_password_in_clear_text"]),
        ({**PASSWORD, "KAFKA_SASL": "scram-sha-256"}, []),
        (TOKENS, ["kafka_token_in_clear_text"]),
    ],
)
def test_a_password_or_token_in_clear_text_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, login: dict[str, str], warnings: list[str]
) -> None:
    settings = given(monkeypatch, {"KAFKA_SECURITY": "sasl_plaintext", **login})
    with capture_logs() as logs:
        assert kafka_security(settings).connection_settings()["security_protocol"] == "SASL_PLAINTEXT"
    assert [line["event"] for line in logs] == warnings


def test_a_rotated_password_holds_for_the_next_connection(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = written(tmp_path / "password", b"old\n")
    files = {**PASSWORD, "KAFKA_PASSWORD": "", "KAFKA_PASSWORD_FILE": str(file)}
    security = kafka_security(given(monkeypatch, {"KAFKA_SECURITY": "sasl_ssl", **files}))
    found = [security.connection_settings()["sasl_plain_password"]]
    for content in (b"new\r\n", b"'quoted'\n", b"", b"newer\n"):
        written(file, content)
        found.append(security.connection_settings()["sasl_plain_password"])
    assert found == ["old", "new", "new", "new", "newer"]
    assert unknown_variables() == []


def test_an_encrypted_key_may_have_its_password_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    certificate, key = Authority().issue("gateway", password="canary").written(tmp_path, "client")
    password = written(tmp_path / "password", b"canary\n")
    files = {"CERT_FILE": certificate, "KEY_FILE": key, "KEY_PASSWORD_FILE": password}
    settings = wanted(monkeypatch, {"KAFKA_SECURITY": "ssl", **{f"KAFKA_{k}": str(v) for k, v in files.items()}})
    assert settings["ssl_context"] is not None


def test_a_pipe_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reads, writes = os.pipe()
    os.write(writes, b"canary")
    os.close(writes)
    files = {**PASSWORD, "KAFKA_PASSWORD": "", "KAFKA_PASSWORD_FILE": f"/dev/fd/{reads}"}
    security = kafka_security(given(monkeypatch, {"KAFKA_SECURITY": "sasl_ssl", **files}))
    os.close(reads)
    with capture_logs() as logs:
        assert security.connection_settings()["sasl_plain_password"] == "canary"
    assert logs == []


def test_no_secret_shows_in_a_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    for settings in ({"KAFKA_SECURITY": "sasl_ssl", **PASSWORD}, {"KAFKA_SECURITY": "sasl_ssl", **TOKENS}):
        with monkeypatch.context() as patch:
            found = given(patch, settings)
            assert "canary" not in repr(found) + repr(kafka_security(found))
