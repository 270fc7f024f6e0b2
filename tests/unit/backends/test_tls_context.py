"""What TLS checks, and what replaced files change: handshakes with a server in memory."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from siddes_telemetry.backends.rotating_secret import RotatingSecret
from siddes_telemetry.backends.tls_context import TlsContext, TlsFiles, UnusableTlsFiles
from tests.infrastructure.certificates import Authority, Identity, written

CA, OTHER_CA = Authority(), Authority("another CA")
SERVER, CLIENT = CA.issue("broker"), CA.issue("gateway")


class Files:
    """The files of a client, to be replaced."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = written(folder / "ca.pem", CA.pem)
        self.certificate, self.key = CLIENT.written(folder, "client")

    def context(self, password: str | None = None) -> TlsContext:
        secret = None if password is None else RotatingSecret(password)
        return TlsContext(TlsFiles(self.ca, self.certificate, self.key, secret))


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def handshake(client: ssl.SSLContext, folder: Path, server: Identity = SERVER) -> str:
    """The CN of the client's certificate as the server sees it. Raises ssl.SSLError of either side."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # in 1.3 the client is done before it is judged
    context.load_cert_chain(*server.written(folder, "server"))
    context.load_verify_locations(cadata=(CA.pem + OTHER_CA.pem).decode())
    context.verify_mode = ssl.CERT_REQUIRED
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname="127.0.0.1")
    theirs = context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(3):  # flights of each side
        for side in (ours, theirs):
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()
    certificate = theirs.getpeercert()
    assert certificate
    return str(certificate["subject"][0][0][1])


def test_the_server_sees_the_clients_certificate(files: Files) -> None:
    assert handshake(files.context().current(), files.folder) == "gateway"


@pytest.mark.parametrize(
    ("server", "said"),
    [
        (OTHER_CA.issue("broker"), "self-signed certificate in certificate chain"),
        (CA.issue("broker", hosts=("other.example",)), "IP address mismatch"),
        (CA.issue("broker", expired=True), "certificate has expired"),
    ],
    ids=["another CA", "another host", "expired"],
)
def test_no_other_server_is_trusted(files: Files, server: Identity, said: str) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match=said):
        handshake(files.context().current(), files.folder, server)


def test_tls_before_1_2_is_not_spoken(files: Files) -> None:
    assert files.context().current().minimum_version == ssl.TLSVersion.TLSv1_2


def test_the_ca_file_replaces_the_systems_cas_or_adds_to_them(files: Files) -> None:
    system = ssl.create_default_context().cert_store_stats()["x509"]
    assert files.context().current().cert_store_stats()["x509"] == 1
    assert TlsContext(TlsFiles(files.ca), system_cas=True).current().cert_store_stats()["x509"] == system + 1


def test_without_files_the_systems_cas_are_trusted(tmp_path: Path) -> None:
    ours = TlsContext(TlsFiles()).current()
    system = ssl.create_default_context()
    assert ours.cert_store_stats() == system.cert_store_stats()
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(ours, tmp_path)


def test_replaced_files_hold_for_the_next_connection(files: Files) -> None:
    context = files.context()
    before = context.current()
    assert context.current() is before
    CA.issue("gateway-2").written(files.folder, "client")
    assert handshake(context.current(), files.folder) == "gateway-2"
    assert handshake(before, files.folder) == "gateway"
    written(files.ca, OTHER_CA.pem)
    assert handshake(context.current(), files.folder, OTHER_CA.issue("broker")) == "gateway-2"
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(context.current(), files.folder)


def test_half_a_replaced_pair_leaves_the_old_one_with_one_warning(files: Files) -> None:
    context = files.context()
    new = CA.issue("gateway-2")
    written(files.certificate, new.certificate)
    with capture_logs() as logs:
        assert [handshake(context.current(), files.folder) for _ in range(2)] == ["gateway"] * 2
    problem = "SIDDES_TELEMETRY_KAFKA_KEY_FILE: is not the key of the certificate in SIDDES_TELEMETRY_KAFKA_CERT_FILE"
    assert logs == [{"event": "kafka_tls_files_unusable", "log_level": "warning", "problem": problem}]
    written(files.key, new.key)
    assert handshake(context.current(), files.folder) == "gateway-2"


def test_a_file_that_is_gone_leaves_the_old_one(files: Files) -> None:
    context = files.context()
    files.ca.unlink()
    assert handshake(context.current(), files.folder) == "gateway"


def test_an_encrypted_key_is_opened_by_its_password(files: Files) -> None:
    CA.issue("locked", password="canary").written(files.folder, "client")
    assert handshake(files.context("canary").current(), files.folder) == "locked"


def _without(files: Files) -> None:
    files.ca.unlink()


def _key_of_another(files: Files) -> None:
    written(files.key, CA.issue("canary").key)


def _encrypted(files: Files) -> None:
    CA.issue("canary", password="right").written(files.folder, "client")


WRONG: dict[str, tuple[Callable[[Files], object], str | None, str]] = {
    "no file": (_without, None, "CA_FILE: cannot be read"),
    "no CA": (lambda files: written(files.ca, b"canary"), None, "CA_FILE: holds no certificates in PEM"),
    "empty CA": (lambda files: written(files.ca, b""), None, "CA_FILE: holds no certificates in PEM"),
    "huge CA": (lambda files: written(files.ca, b" " * 2**21), None, "CA_FILE: must not be larger than 1024 KiB"),
    "a key as certificate": (
        lambda files: written(files.certificate, CLIENT.key),
        None,
        "CERT_FILE: holds no certificate",
    ),
    "a certificate as key": (
        lambda files: written(files.key, CLIENT.certificate),
        None,
        "KEY_FILE: holds no private key",
    ),
    "cut off": (lambda files: written(files.key, CLIENT.key[:80]), None, "KEY_FILE: cannot be used with"),
    "another's key": (_key_of_another, None, "KEY_FILE: is not the key of the certificate"),
    "no password": (_encrypted, None, "KEY_PASSWORD: must be set"),
    "wrong password": (_encrypted, "canary", "KEY_PASSWORD: does not open the private key"),
}


@pytest.mark.parametrize(("spoil", "password", "said"), WRONG.values(), ids=WRONG)
def test_files_that_cannot_be_used_are_named_by_their_setting(
    files: Files, spoil: Callable[[Files], object], password: str | None, said: str
) -> None:
    spoil(files)
    with pytest.raises(UnusableTlsFiles) as raised:
        files.context(password)
    assert str(raised.value).startswith(f"SIDDES_TELEMETRY_KAFKA_{said}")
    assert "canary" not in str(raised.value)
    assert str(files.folder) not in str(raised.value)
