"""The settings of a client, checked. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

LINGER_S = 2.0  # how long a call waits for others of its token
MAX_WAITING = 10_000  # calls: some MB, and minutes of an outage of a busy process
REQUEST_TIMEOUT_S = 10.0  # the server's own limit
MAX_REQUEST_TIMEOUT_S = 30.0  # 9 minutes of retries and one last request take less than the server's 10
CLOSE_TIMEOUT_S = 5.0

_PATH = "/api/telemetry/batch"


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """The gateway's address and the limits of a client. Times are in seconds. Raises ValueError."""

    url: str
    linger_s: float = LINGER_S
    max_waiting: int = MAX_WAITING
    request_timeout_s: float = REQUEST_TIMEOUT_S
    close_timeout_s: float = CLOSE_TIMEOUT_S
    batch_url: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "batch_url", _batch_url(self.url))
        if not (self.linger_s >= 0 and self.max_waiting > 0 and self.close_timeout_s >= 0):
            raise ValueError("linger_s and close_timeout_s must not be negative, max_waiting must be positive")
        if not 0 < self.request_timeout_s <= MAX_REQUEST_TIMEOUT_S:
            raise ValueError(f"request_timeout_s must be above 0 and at most {MAX_REQUEST_TIMEOUT_S:g}")


def _batch_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:
        raise ValueError("the address must be http(s)://host[:port][/path]")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("the address must not carry credentials, a query or a fragment")
    return url.rstrip("/") + _PATH
