"""The client for any thread."""

from __future__ import annotations

from types import TracebackType
from typing import Generic, Self

from siddes_telemetry_client.background import Background
from siddes_telemetry_client.engine import Engine, SwitchedOff
from siddes_telemetry_client.event_type import EventT_contra
from siddes_telemetry_client.process_life import THIS_PROCESS
from siddes_telemetry_client.settings import (
    CLOSE_TIMEOUT_S,
    LINGER_S,
    MAX_WAITING,
    REQUEST_TIMEOUT_S,
    ClientSettings,
)
from siddes_telemetry_client.stats import Stats
from siddes_telemetry_client.validation import times_of


class Telemetry(Generic[EventT_contra]):
    """Counts events of viewers from any thread: fire and forget, batched by token, bounded, each call at most once.

    `url` is the gateway's address, as in https://telemetry.internal:8080; its path is kept as a prefix.
    Times are in seconds. The first call starts a daemon thread, which sends. In a forked child the client begins anew.
    `disabled=True` drops every call and starts nothing.

    What waits is sent at the process's end, for at most `close_timeout_s`; so it is by close(), and after `with`.
    Raises ValueError for an invalid setting.
    """

    def __init__(
        self,
        url: str,
        *,
        disabled: bool = False,
        linger_s: float = LINGER_S,
        max_waiting: int = MAX_WAITING,
        request_timeout_s: float = REQUEST_TIMEOUT_S,
        close_timeout_s: float = CLOSE_TIMEOUT_S,
    ) -> None:
        settings = ClientSettings(url, linger_s, max_waiting, request_timeout_s, close_timeout_s)
        self._close_timeout_s = close_timeout_s
        self._use(SwitchedOff() if disabled else Background(settings))

    def _use(self, engine: Engine) -> None:
        self._engine = engine
        THIS_PROCESS.made(self)

    def count(self, event: EventT_contra, count: float = 1, *, token: str) -> None:
        """Count `event` `count` times for the viewer with this bearer token. Returns at once, and never waits.

        A `count` of exactly 0 counts nothing. Any other is truncated and clamped to 1..50, as on the server; what is
        no finite number is 1. The server's registry decides which events exist: others are in `stats.rejected`.
        Calls that cannot be sent are dropped and are in `stats`, also after close(); the first of each kind is logged.

        Raises TypeError where event or token is no str, and nothing else.
        """
        if not (isinstance(event, str) and isinstance(token, str)):
            raise TypeError("event and token must be of type str")
        times = times_of(count)
        if times:
            self._engine.count(event, times, token)

    def flush(self, timeout_s: float = CLOSE_TIMEOUT_S) -> bool:
        """Send waiting calls without lingering. True as soon as all calls are settled, False after `timeout_s`.

        Calls made meanwhile are waited for too. A batch in back-off is not retried sooner. It blocks: in an event loop
        use asyncio.to_thread.
        """
        return self._engine.flush(timeout_s)

    def close(self, timeout_s: float | None = None) -> bool:
        """Send waiting calls for at most `timeout_s` (None: `close_timeout_s`), then end the thread. It blocks.

        Later calls are dropped. True if all calls were settled in time; the rest is abandoned.
        """
        return self._engine.close(self._close_timeout_s if timeout_s is None else timeout_s)

    @property
    def stats(self) -> Stats:
        """A snapshot of the counters of this process."""
        return self._engine.stats

    def begin_anew(self) -> None:
        """In a forked child: forget the parent's calls, which the parent sends. Called by itself after os.fork."""
        self._engine = self._engine.in_child()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """As close()."""
        self.close()

    def __del__(self) -> None:
        """Nobody will close it: the thread sends what waits, and ends."""
        if engine := getattr(self, "_engine", None):  # None: __init__ raised
            engine.discard()
