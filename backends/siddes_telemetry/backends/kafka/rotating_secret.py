"""A secret that may be replaced, where it is kept, while the process runs."""

from __future__ import annotations

from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)


class RotatingSecret:
    """A secret that is read again at each use.

    `read` raises OSError, or ValueError with a text that names the setting and shows no value.
    """

    def __init__(self, read: Callable[[], str]) -> None:
        """Read it. Raises what `read` raises."""
        self._read = read
        self._value = read()
        self._warned = False

    def current(self) -> str:
        """The secret as it is now, or as it last could be read. Logs a warning, once, if it cannot be read now."""
        try:
            self._value = self._read()
            self._warned = False
        except (OSError, ValueError) as error:
            if not self._warned:
                self._warned = True
                log.warning("kafka_secret_unusable", problem=str(error) if isinstance(error, ValueError) else "")
        return self._value
