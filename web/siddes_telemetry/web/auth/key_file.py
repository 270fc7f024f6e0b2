"""Public keys from a PEM file, read again when it changes: old and new stand side by side during a rotation.

A token that none of them signed is refused only by what the file says now: it is looked at again for it.
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
LOOK_EVERY_S = 5  # a stat now and then, not for every token; a file that cannot be read is not read more often

log = structlog.get_logger(__name__)

Stamp = tuple[int, int, int]


class KeyFile:
    """All keys of the file, in its order; key ids play no part. What cannot be read leaves the last good keys.

    A KeySource.
    """

    def __init__(self, path: Path, algorithm: str, *, monotonic_s: Callable[[], float], metrics: AuthMetrics) -> None:
        """Reads it once. Raises UnusableKeys."""
        self._path = path
        self._algorithm = algorithm
        self._monotonic_s = monotonic_s
        self._metrics = metrics
        self._stamp, self._keys = self._read()
        self._seen: Stamp | None = self._stamp  # at the last look; None: no file there
        self._look_at = monotonic_s() + LOOK_EVERY_S

    async def payload(self, token: SignedToken) -> bytes:
        if self._monotonic_s() >= self._look_at:
            self._is_current()
        keys = self._keys
        payload = token.payload(keys)
        if payload is None:
            if not self._is_current():
                raise KeyRefreshPending(retry_after_s=LOOK_EVERY_S)
            if self._keys is not keys:
                payload = token.payload(self._keys)
        if payload is None:
            raise Refused(Refusal.signature)
        return payload

    def _is_current(self) -> bool:
        """Look at the file, and read it if it changed; whether the keys held are what it says."""
        now = self._monotonic_s()
        is_due = now >= self._look_at
        if is_due:
            self._look_at = now + LOOK_EVERY_S
        try:
            stamp = self._stat()
        except (OSError, UnusableKeys):
            stamp = None
        is_known = stamp == self._seen
        self._seen = stamp
        if stamp == self._stamp:
            return True
        if is_known and not is_due:
            return False  # as unreadable as it was
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
        if not S_ISREG(stat.st_mode):  # to open a pipe would wait for its writer
            raise UnusableKeys("is no file but a folder, a pipe or a device")
        return stat.st_mtime_ns, stat.st_size, stat.st_ino

    def _read(self) -> tuple[Stamp, Sequence[PublicKey]]:
        try:
            stamp = self._stat()  # before the bytes: a change in between is seen at the next look
            with self._path.open("rb") as file:
                pem = file.read(MAX_KEY_FILE_BYTES + 1)
        except OSError:
            raise UnusableKeys("cannot be read") from None
        if len(pem) > MAX_KEY_FILE_BYTES:
            raise UnusableKeys(f"is over {MAX_KEY_FILE_BYTES} bytes")
        return stamp, read_pem(pem, self._algorithm)
