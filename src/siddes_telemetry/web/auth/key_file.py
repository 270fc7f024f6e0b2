"""Public keys from a PEM file, read again when it changes: old and new stand side by side during a rotation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from siddes_telemetry.web.auth.keys import KeyProblem, PublicKey, VerificationKey, read_pem
from siddes_telemetry.web.auth.metrics import AuthMetrics, Keys, Outcome

MAX_KEY_FILE_BYTES = 64 * 1024  # a hundred RSA keys
LOOK_EVERY_S = 5.0  # a stat now and then, not for every token

log = structlog.get_logger(__name__)

Stamp = tuple[int, int, int]


class KeyFile:
    """All keys of the file, in its order; key ids play no part. What cannot be read leaves the last good keys."""

    def __init__(self, path: Path, algorithm: str, *, monotonic_s: Callable[[], float], metrics: AuthMetrics) -> None:
        """Reads it once. Raises KeyProblem."""
        self._path = path
        self._algorithm = algorithm
        self._monotonic_s = monotonic_s
        self._metrics = metrics
        self._stamp, self._keys = self._read()
        self._look_at = monotonic_s() + LOOK_EVERY_S

    async def candidates(self, key_id: str | None) -> Sequence[VerificationKey]:  # noqa: ARG002  # PEM has no ids
        now = self._monotonic_s()
        if now >= self._look_at:
            self._look_at = now + LOOK_EVERY_S
            self._look()
        return self._keys

    def _look(self) -> None:
        try:
            if self._stat() == self._stamp:
                return
            self._stamp, self._keys = self._read()
        except (OSError, KeyProblem):
            self._metrics.key_loads[Keys.file, Outcome.unavailable].inc()
            log.warning("key_file_unreadable")
        else:
            self._metrics.key_loads[Keys.file, Outcome.ok].inc()

    def _stat(self) -> Stamp:
        stat = self._path.stat()
        return stat.st_mtime_ns, stat.st_size, stat.st_ino

    def _read(self) -> tuple[Stamp, Sequence[PublicKey]]:
        try:
            stamp = self._stat()  # before the bytes: a change in between is seen at the next look
            with self._path.open("rb") as file:
                pem = file.read(MAX_KEY_FILE_BYTES + 1)
        except OSError:
            raise KeyProblem("cannot be read") from None
        if len(pem) > MAX_KEY_FILE_BYTES:
            raise KeyProblem(f"is over {MAX_KEY_FILE_BYTES} bytes")
        return stamp, read_pem(pem, self._algorithm)
