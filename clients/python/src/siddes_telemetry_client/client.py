"""The client: what an application uses."""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from siddes_telemetry_client.delivery import Delivery
from siddes_telemetry_client.stats import Stats
from siddes_telemetry_client.transport import HttpTransport, make_session

LINGER_S = 2.0  # how long a call waits for others of its token
MAX_WAITING = 10_000  # calls: some MB, and minutes of an outage of a busy process
REQUEST_TIMEOUT_S = 10.0  # within which the server answers or gives up itself
MAX_REQUEST_TIMEOUT_S = 30.0  # 9 minutes of tries and a last request stay below the server's 10
CLOSE_TIMEOUT_S = 5.0

_PATH = "/api/telemetry/batch"


class TelemetryClient:
    """Counts on behalf of viewers: fire and forget, batched by token, bounded, each call counted at most once.

    `url` is the gateway's address, https://telemetry.internal:8080 say; a path before /api/telemetry is kept.
    Times are in seconds. An async context manager: leaving it sends what waits, for at most `close_timeout_s`.

    It belongs to the thread and event loop that entered it. Other threads use loop.call_soon_threadsafe.
    Raises ValueError on a setting that cannot work.
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
        self._delivery: Delivery | None = None
        self._thread = 0

    async def __aenter__(self) -> Self:
        """Ready to count. Raises RuntimeError the second time."""
        if self._delivery is not None:
            raise RuntimeError("a TelemetryClient is entered once")
        self._thread = threading.get_ident()
        self._session = make_session(self._request_timeout_s)
        self._delivery = Delivery(
            HttpTransport(self._session, self._url), linger_s=self._linger_s, max_waiting=self._max_waiting
        )
        self._running = asyncio.create_task(self._delivery.run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Send what waits, within the deadline; count the rest as abandoned."""
        delivery = self._entered()
        try:
            await delivery.flush(self._close_timeout_s)
        finally:
            self._running.cancel()
            try:
                await delivery.end()
                await asyncio.wait({self._running})
            finally:  # it may be cancelled again, by frameworks that do so at every await
                await self._session.close()

    def count(self, event: str, count: float = 1, *, token: str) -> None:
        """Say that `event` happened `count` times to the viewer whose bearer token this is. Returns at once.

        A `count` of exactly 0 counts nothing; else it is truncated and clamped to 1..50, and what is no finite number
        is 1, as the server has it. `event` is any name: the server's
        registry decides, and what it does not know is in `stats.rejected`. Whatever happens on the wire, this does
        not raise: what cannot be sent is dropped and counted in `stats`, also after the client was closed.

        Raises RuntimeError in another thread than the one that entered the client, or before it was entered, and
        TypeError where event or token is no text.
        """
        self._own_thread().count(event, count, token)

    async def flush(self, timeout_s: float) -> bool:
        """Send what waits without lingering: True as soon as nothing waits or is in flight, False when time is up.

        What is called meanwhile is waited for too; a batch that backs off is not hurried.
        """
        return await self._own_thread().flush(timeout_s)

    @property
    def stats(self) -> Stats:
        """What became of the calls so far. Another thread may read it too: close to exact then, exact in its own."""
        return self._entered().stats

    def _entered(self) -> Delivery:
        if self._delivery is None:
            raise RuntimeError("use a TelemetryClient as an async context manager")
        return self._delivery

    def _own_thread(self) -> Delivery:
        delivery = self._entered()
        if threading.get_ident() != self._thread:
            raise RuntimeError("a TelemetryClient belongs to the thread that entered it")
        return delivery


def _batch_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:
        raise ValueError("the address must be http(s)://host[:port][/path]")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("the address must not carry credentials, a query or a fragment")
    return url.rstrip("/") + _PATH
