"""The client for an app's tests: it records calls instead of sending them."""

from __future__ import annotations

from dataclasses import dataclass, field

from siddes_telemetry_client.engine import Engine
from siddes_telemetry_client.event_type import EventT_contra
from siddes_telemetry_client.settings import CLOSE_TIMEOUT_S
from siddes_telemetry_client.stats import CallCounters, Stats
from siddes_telemetry_client.telemetry import Telemetry


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """A call of count(), with the count that the server would take: 1 to 50. Its repr does not show the token."""

    event: str
    count: int
    token: str = field(repr=False)


class RecordingTelemetry(Telemetry[EventT_contra]):
    """A Telemetry that sends nothing and starts no thread. `calls` has what was counted, in order.

    Calls after close() are dropped, as by a Telemetry; after a fork, the child's copy goes on with the parent's calls.
    """

    def __init__(self) -> None:
        self._recorder = _Recorder()
        self._close_timeout_s = CLOSE_TIMEOUT_S
        self._use(self._recorder)

    @property
    def calls(self) -> list[RecordedCall]:
        """All calls so far. A count of 0 is none."""
        return list(self._recorder.calls)

    def clear(self) -> None:
        """Forget all calls."""
        self._recorder.calls.clear()


class _Recorder:
    def __init__(self) -> None:
        self.calls: list[RecordedCall] = []
        self._dropped = CallCounters()
        self._closed = False

    def count(self, event: str, times: int, token: str, /) -> None:
        if self._closed:
            self._dropped.called += 1
            self._dropped.drop("abandoned")
        else:
            self.calls.append(RecordedCall(event, times, token))

    def flush(self, _timeout_s: float, /) -> bool:
        return True

    def close(self, _timeout_s: float, /) -> bool:
        self._closed = True
        return True

    def discard(self) -> None:
        """Nothing runs."""

    def in_child(self) -> Engine:
        return self

    @property
    def stats(self) -> Stats:
        counters = CallCounters()
        counters.accepted = len(self.calls)
        dropped = self._dropped.snapshot()
        counters.called = counters.accepted + dropped.called
        counters.drop("abandoned", dropped.abandoned)
        return counters.snapshot()
