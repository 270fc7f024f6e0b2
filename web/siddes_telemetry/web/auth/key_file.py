"""Public keys from a PEM file, which is read again when it changes. During a rotation it holds the old and the new key.

A token that none of the keys signed is refused only if the keys are what the file holds now.

    file at the last look      file now            does
    as the keys held           the same            keys are current
    as the keys held           another             reads it; keys are current
    unreadable or absent       the same            keys are outdated; reads it at most every LOOK_EVERY_S
    unreadable or absent       another             reads it at once
    any                        cannot be read      keeps the last good keys, which are outdated: KeyRefreshPending
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from stat import S_ISREG

import structlog

from siddes_telemetry.web.auth.keys import PublicKey, UnusableKeys, read_pem
from siddes_telemetry.web.auth.metrics import AuthMetrics, Keys, Outcome
from siddes_telemetry.web.auth.refusals import Refusal, Refused
from siddes_telemetry.web.auth.signatures import SignedToken
from siddes_telemetry.web.credentials import KeyRefreshPending

MAX_KEY_FILE_BYTES = 64 * 1024  # a hundred RSA keys
LOOK_EVERY_S = 5  # between two stats for accepted tokens, and between two reads of an unreadable file

log = structlog.get_logger(__name__)

Stamp = tuple[int, int, int]
"""Modification time, size and inode of the file."""


class KeyFile:
    """All keys of the file, in its order, whatever a token's key id. A KeySource."""

    def __init__(self, path: Path, algorithm: str, *, monotonic_s: Callable[[], float], metrics: AuthMetrics) -> None:
        """Read the file. Raises UnusableKeys."""
        self._path = path
        self._algorithm = algorithm
        self._monotonic_s = monotonic_s
        self._metrics = metrics
        self._stamp, self._keys = self._read()
        self._seen: Stamp | None = self._stamp  # at the last look; None: no file
        self._look_at = monotonic_s() + LOOK_EVERY_S

    async def verified_payload(self, token: SignedToken) -> bytes:
        if self._monotonic_s() >= self._look_at:
            self._update()
        keys = self._keys
        payload = token.payload_signed_by(keys)
        if payload is None:
            if not self._update():
                raise KeyRefreshPending(retry_after_s=LOOK_EVERY_S)
            if self._keys is not keys:
                payload = token.payload_signed_by(self._keys)
        if payload is None:
            raise Refused(Refusal.signature)
        return payload

    def _update(self) -> bool:
        """Look at the file and read it if it changed. Returns whether the keys held are current."""
        now = self._monotonic_s()
        is_due = now >= self._look_at
        if is_due:
            self._look_at = now + LOOK_EVERY_S
        try:
            stamp = self._stat()
        except (OSError, UnusableKeys):
            stamp = None
        is_seen = stamp == self._seen
        self._seen = stamp
        if stamp == self._stamp:
            return True
        if is_seen and not is_due:
            return False  # as unreadable as at the last look
        try:
            self._stamp, self._keys = self._read()
        except UnusableKeys:
            self._metrics.key_loads[Keys.file, Outcome.unavailable].inc()
            log.warning("key_file_unreadable")
            return False
        self._metrics.key_loads[Keys.file, Outcome.ok].inc()
        return True

    def _stat(self) -> Stamp:
        stat = self._path.stat()
        if not S_ISREG(stat.st_mode):  # opening a pipe would wait for its writer
            raise UnusableKeys("is no file but a folder, a pipe or a device")
        return stat.st_mtime_ns, stat.st_size, stat.st_ino

    def _read(self) -> tuple[Stamp, Sequence[PublicKey]]:
        try:
            stamp = self._stat()  # before the bytes: a change in between is noticed at the next look
            with self._path.open("rb") as file:
                pem = file.read(MAX_KEY_FILE_BYTES + 1)
        except OSError:
            raise UnusableKeys("cannot be read") from None
        if len(pem) > MAX_KEY_FILE_BYTES:
            raise UnusableKeys(f"is over {MAX_KEY_FILE_BYTES} bytes")
        return stamp, read_pem(pem, self._algorithm)
