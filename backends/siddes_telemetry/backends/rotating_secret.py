"""A secret that may be replaced, where it is kept, while the process runs."""

from __future__ import annotations

from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)


class RotatingSecret:
    """A secret, read again at each use if there is a `read`.

    `read` raises ValueError, with a text that names the setting and shows no value. `of`: what the secret is for, as
    log events name it.
    """

    def __init__(self, value: str, read: Callable[[], str] | None = None, *, of: str = "kafka") -> None:
        self._value = value
        self._read = read
        self._unusable_event = f"{of}_secret_unusable"
        self._warned = False

    def current(self) -> str:
        """The secret as it is now, or as it last could be read. Logs a warning, once, if it cannot be read now."""
        if self._read is None:
            return self._value
        try:
            self._value = self._read()
            self._warned = False
        except ValueError as error:
            if not self._warned:
                self._warned = True
                log.warning(self._unusable_event, problem=str(error))
        return self._value
