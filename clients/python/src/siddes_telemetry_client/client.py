"""The public client."""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from siddes_telemetry_client.sender import Sender
from siddes_telemetry_client.stats import Stats
from siddes_telemetry_client.transport import HttpTransport, make_session

LINGER_S = 2.0  # how long a call waits for others of its token
MAX_WAITING = 10_000  # calls: some MB, and minutes of an outage of a busy process
REQUEST_TIMEOUT_S = 10.0  # the server's own limit
MAX_REQUEST_TIMEOUT_S = 30.0  # 9 minutes of retries and one last request take less than the server's 10
CLOSE_TIMEOUT_S = 5.0

_PATH = "/api/telemetry/batch"


class TelemetryClient:
    """Counts events of viewers: fire and forget, batched by token, bounded, each call counted at most once.

    `url` is the gateway's address, as in https://telemetry.internal:8080; its path is kept as a prefix.
    Times are in seconds. An async context manager: its exit sends waiting calls, for at most `close_timeout_s`.

    It belongs to the thread and event loop that entered it. Other threads use loop.call_soon_threadsafe.
    Raises ValueError for an invalid setting.
    """

    def __init__(
        self,
        url: str,
        *,
        linger_s: float = LINGER_S,
        max_waiting: int = MAX_WAITING,
        request_timeout_s: float = REQUEST_TIMEOUT_S,
        close_timeout_s: float = CLOSE_TIMEOUT_S,
    ) -> None:
        self._url = _batch_url(url)
        if not (linger_s >= 0 and max_waiting > 0 and close_timeout_s >= 0):
            raise ValueError("linger_s and close_timeout_s must not be negative, max_waiting must be positive")
        if not 0 < request_timeout_s <= MAX_REQUEST_TIMEOUT_S:
            raise ValueError(f"request_timeout_s must be above 0 and at most {MAX_REQUEST_TIMEOUT_S:g}")
        self._linger_s = linger_s
        self._max_waiting = max_waiting
        self._request_timeout_s = request_timeout_s
        self._close_timeout_s = close_timeout_s
        self._sender: Sender | None = None
        self._thread = 0

    async def __aenter__(self) -> Self:
        """Start sending. Raises RuntimeError the second time."""
        if self._sender is not None:
            raise RuntimeError("a TelemetryClient is entered once")
        self._thread = threading.get_ident()
        self._session = make_session(self._request_timeout_s)
        self._sender = Sender(
            HttpTransport(self._session, self._url), linger_s=self._linger_s, max_waiting=self._max_waiting
        )
        self._running = asyncio.create_task(self._sender.run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Send waiting calls until `close_timeout_s` has passed; the rest is abandoned."""
        sender = self._entered()
        try:
            await sender.flush(self._close_timeout_s)
        finally:
            self._running.cancel()
            try:
                await sender.stop()
                await asyncio.wait({self._running})
            finally:  # some frameworks cancel at every await
                await self._session.close()

    def count(self, event: str, count: float = 1, *, token: str) -> None:
        """Count `event` `count` times for the viewer with this bearer token. Returns at once.

        A `count` of exactly 0 counts nothing. Any other is truncated and clamped to 1..50, as on the server; what is
        no finite number is 1. The server's registry decides which events exist: others are in `stats.rejected`.
        Network errors do not raise: calls that cannot be sent are dropped and are in `stats`, also after the exit.

        Raises RuntimeError before the client is entered, or in another thread than the one that entered it, and
        TypeError where event or token is no str.
        """
        self._own_thread().count(event, count, token)

    async def flush(self, timeout_s: float) -> bool:
        """Send waiting calls without lingering. True as soon as all calls are settled, False after `timeout_s`.

        Calls made meanwhile are waited for too. A batch in back-off is not retried sooner.
        """
        return await self._own_thread().flush(timeout_s)

    @property
    def stats(self) -> Stats:
        """A snapshot of the counters. Another thread may read it too, and may then see a change half done."""
        return self._entered().stats

    def _entered(self) -> Sender:
        if self._sender is None:
            raise RuntimeError("use a TelemetryClient as an async context manager")
        return self._sender

    def _own_thread(self) -> Sender:
        sender = self._entered()
        if threading.get_ident() != self._thread:
            raise RuntimeError("a TelemetryClient belongs to the thread that entered it")
        return sender


def _batch_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:
        raise ValueError("the address must be http(s)://host[:port][/path]")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("the address must not carry credentials, a query or a fragment")
    return url.rstrip("/") + _PATH
