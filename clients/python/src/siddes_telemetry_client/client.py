"""The client for asyncio."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Generic, Self

from siddes_telemetry_client.delivery import Delivery
from siddes_telemetry_client.event_type import EventT_contra
from siddes_telemetry_client.sender import Sender
from siddes_telemetry_client.settings import (
    CLOSE_TIMEOUT_S,
    LINGER_S,
    MAX_WAITING,
    REQUEST_TIMEOUT_S,
    ClientSettings,
)
from siddes_telemetry_client.stats import Stats


class TelemetryClient(Generic[EventT_contra]):
    """Counts events of viewers: fire and forget, batched by token, bounded, each call counted at most once.

    `url` is the gateway's address, as in https://telemetry.internal:8080; its path is kept as a prefix.
    Times are in seconds. An async context manager: its exit sends waiting calls, for at most `close_timeout_s`.

    It belongs to the thread and event loop that entered it. `Telemetry` is for any thread.
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
        self._settings = ClientSettings(url, linger_s, max_waiting, request_timeout_s, close_timeout_s)
        self._delivery: Delivery | None = None
        self._thread = 0

    async def __aenter__(self) -> Self:
        """Start sending. Raises RuntimeError the second time."""
        if self._delivery is not None:
            raise RuntimeError("a TelemetryClient is entered once")
        self._thread = threading.get_ident()
        self._delivery = Delivery(self._settings, close_timeout_s=self._settings.close_timeout_s)
        await self._delivery.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Send waiting calls until `close_timeout_s` has passed; the rest is abandoned."""
        await self._entered().__aexit__(kind, error, trace)

    def count(self, event: EventT_contra, count: float = 1, *, token: str) -> None:
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
        """A snapshot of the counters. Any thread may read it."""
        return self._entered().sender.stats

    def _entered(self) -> Delivery:
        if self._delivery is None:
            raise RuntimeError("use a TelemetryClient as an async context manager")
        return self._delivery

    def _own_thread(self) -> Sender:
        delivery = self._entered()
        if threading.get_ident() != self._thread:
            raise RuntimeError("a TelemetryClient belongs to the thread that entered it: elsewhere use Telemetry")
        return delivery.sender
