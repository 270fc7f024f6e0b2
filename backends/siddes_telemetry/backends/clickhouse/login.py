"""The HTTP headers by which a user logs in to ClickHouse. https://clickhouse.com/docs/interfaces/http"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass

from siddes_telemetry.backends.rotating_secret import RotatingSecret


@dataclass(frozen=True, slots=True)
class Login:
    """A user, and a password that may be replaced."""

    user: str
    password: RotatingSecret

    def headers(self) -> Mapping[str, str]:
        """The headers for a statement that is sent now.

        Basic authentication (RFC 7617) carries every password, but no user with a colon. Header fields of ClickHouse's
        own carry every user, but no password with blanks at its ends.
        """
        password = self.password.current()
        if ":" in self.user:
            return {"X-ClickHouse-User": self.user, "X-ClickHouse-Key": password}
        return {"Authorization": f"Basic {b64encode(f'{self.user}:{password}'.encode()).decode()}"}
