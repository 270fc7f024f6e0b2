"""Which connections to brokers are silent, and which of those are to be given up. Pure.

A broker answers the requests of a connection in their order, so a connection whose oldest request has been waiting for
SILENT_S has heard nothing for as long. A frozen broker, or a lost host, keeps its connections open. Its requests go on
waiting, for the broker may only be slow, until the cluster has replaced it:

    oldest request   the cluster's metadata              verdict
    waits            older than the request's silence    wait, and ask another broker for newer metadata
    waits            lists the broker as a leader        wait: Kafka has not replaced it
    waits            does not list the broker, or        given up: the connection is closed
                     lists it at another address
    waits            names other leaders for all that    given up
                     the requests are about

The requests are those of the connection whose answers somebody awaits, not only the oldest: that one may have been
cancelled, and others wait behind it. Where nobody awaits any, the connection is given up too.

A request that was given up may still take effect, as any request without an answer may. A record is therefore sent
again under its own sequence number (producer.py), and an offset commit is not repeated (offset_commit.py).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Generic, NamedTuple, TypeVar

SILENT_S = 1.0  # a broker that is well answers within milliseconds, a fetch within a quarter of a second

K = TypeVar("K", bound=Hashable)


class Waiting(NamedTuple):
    """A connection's oldest request without an answer, and since when it is that."""

    request: Hashable
    since_s: float


class SilenceDetector(Generic[K]):
    """Sees, from regular looks at the oldest request of each connection, which connections are silent."""

    def __init__(self) -> None:
        self._waiting: dict[K, Waiting] = {}

    def look(self, oldest: Mapping[K, Hashable], now: float) -> dict[K, Waiting]:
        """The silent connections, and what they wait for, on the clock of `now` (seconds).

        `oldest` has what identifies the oldest request without an answer, by connection.
        """
        before = self._waiting
        self._waiting = {
            key: before[key] if key in before and before[key].request == request else Waiting(request, now)
            for key, request in oldest.items()
        }
        return {key: waiting for key, waiting in self._waiting.items() if now - waiting.since_s >= SILENT_S}
