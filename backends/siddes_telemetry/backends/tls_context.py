"""The TLS settings of new connections, built again when the content of a file has changed.

    files now                     the next connection uses
    as at the last look           the same context
    changed, and usable together  a new context
    changed, not usable together  the last good context, with one warning: a certificate and its key are replaced
                                  one after the other, and do not match in between

Established connections keep what they began with.
"""

from __future__ import annotations

import hashlib
import ssl
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG

import structlog

from siddes_telemetry.backends.rotating_secret import RotatingSecret

MAX_FILE_BYTES = 1024 * 1024  # four times a bundle of all public CAs

log = structlog.get_logger(__name__)


class UnusableTlsFiles(ValueError):
    """A file cannot be used, or two do not fit together. The text names the setting and the remedy, and no content."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files. `ca`: the servers' CAs, instead of the system's. `certificate` and `key`: the client's, or neither.

    `of`: whose files they are, as settings and log events name it.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    key_password: RotatingSecret | None = None
    of: str = "kafka"

    def setting(self, name: str) -> str:
        """The setting that names a file: SIDDES_TELEMETRY_KAFKA_CA_FILE."""
        return f"SIDDES_TELEMETRY_{self.of.upper()}_{name}"


class TlsContext:
    """A client's TLS: 1.2 or later; the server's certificate and host name are always checked."""

    def __init__(self, files: TlsFiles, *, system_cas: bool = False) -> None:
        """Read the files. `system_cas`: trust the system's CAs beside `files.ca`. Raises UnusableTlsFiles."""
        self._files = files
        self._events = {what: f"{files.of}_tls_files_{what}" for what in ("replaced", "unusable")}
        self._system_cas = system_cas or files.ca is None
        self._content, self._context = self._load()
        self._warned = False

    def current(self) -> ssl.SSLContext:
        """The context for a connection that is made now."""
        try:
            if self._read().digest() != self._content:
                self._content, self._context = self._load()
                log.info(self._events["replaced"])
            self._warned = False
        except UnusableTlsFiles as error:
            if not self._warned:
                self._warned = True
                log.warning(self._events["unusable"], problem=str(error))
        return self._context

    def _load(self) -> tuple[bytes, ssl.SSLContext]:
        content = self._read()  # before OpenSSL reads the files: a change in between is noticed at the next look
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # requires a certificate and checks the host name
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self._system_cas:
            context.load_default_certs()
        if self._files.ca:
            _trust(context, content.ca, self._files.setting("CA_FILE"))
        if self._files.certificate and self._files.key:
            _identify(context, self._files, self._files.certificate, self._files.key, content)
        return content.digest(), context

    def _read(self) -> _Content:
        files = self._files
        return _Content(
            ca=_content(files.ca, files.setting("CA_FILE")),
            certificate=_content(files.certificate, files.setting("CERT_FILE")),
            key=_content(files.key, files.setting("KEY_FILE")),
            key_password=files.key_password.current() if files.key_password else "",
        )


@dataclass(frozen=True, slots=True, repr=False)
class _Content:
    ca: bytes
    certificate: bytes
    key: bytes
    key_password: str

    def digest(self) -> bytes:
        parts = (self.ca, self.certificate, self.key, self.key_password.encode())
        return b"".join(hashlib.sha256(part).digest() for part in parts)


def _identify(context: ssl.SSLContext, files: TlsFiles, certificate: Path, key: Path, content: _Content) -> None:
    """Load the client's certificate and key."""
    cert_file, key_file, key_password = (files.setting(name) for name in ("CERT_FILE", "KEY_FILE", "KEY_PASSWORD"))
    if b"-----BEGIN CERTIFICATE-----" not in content.certificate:
        raise UnusableTlsFiles(f"{cert_file}: holds no certificate in PEM")
    if b"PRIVATE KEY-----" not in content.key:
        raise UnusableTlsFiles(f"{key_file}: holds no private key in PEM")
    asked = False

    def password() -> str:  # without it, OpenSSL would ask on the terminal
        nonlocal asked
        asked = True
        return content.key_password

    try:
        context.load_cert_chain(certificate, key, password)
    except (OSError, ValueError) as error:  # an SSLError is an OSError; a password over 1 KiB is a ValueError
        if isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH":
            problem = f"{key_file}: is not the key of the certificate in {cert_file}"
        elif asked and not content.key_password:
            problem = f"{key_password}: must be set, since the private key is encrypted"
        elif asked:
            problem = f"{key_password}: does not open the private key"
        else:
            problem = f"{key_file}: cannot be used with {cert_file}; both must be PEM that OpenSSL can read"
        raise UnusableTlsFiles(problem) from None


def _trust(context: ssl.SSLContext, pem: bytes, setting: str) -> None:
    try:
        context.load_verify_locations(cadata=pem.decode("ascii", "ignore"))  # comments may have other letters
    except (ssl.SSLError, ValueError):
        raise UnusableTlsFiles(f"{setting}: holds no certificates in PEM") from None


def _content(path: Path | None, setting: str) -> bytes:
    if path is None:
        return b""
    try:
        if not S_ISREG(path.stat().st_mode):  # opening a pipe would wait for its writer
            raise UnusableTlsFiles(f"{setting}: must be a file, not a folder, pipe or device")
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError:
        raise UnusableTlsFiles(f"{setting}: cannot be read") from None
    if len(content) > MAX_FILE_BYTES:
        raise UnusableTlsFiles(f"{setting}: must not be larger than {MAX_FILE_BYTES // 1024} KiB")
    return content
