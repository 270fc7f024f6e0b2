"""What keeps a client from its work: logged when it changes, and shown by readiness until it is over.

    event                     shown from then on                                logged
    no connection             the failure, until `connected`                    if it was not shown already
    a broker refused          the failure, for REFUSAL_S or until `works`       if it was not shown already
    another request failed    what was shown                                    no
    connected                 nothing, unless a refusal is shown                no
    works                     nothing                                           no

A refusal ends by itself: a gateway that is not ready gets no requests to try again with.
"""

from __future__ import annotations

import asyncio
from copy import copy

import structlog

from siddes_telemetry.backends.kafka.errors import log_unavailable
from siddes_telemetry.backends.kafka.failure_words import ACCESS, VERSION
from siddes_telemetry.backends.kafka.failures import Rights
from siddes_telemetry.backends.ports.errors import LogUnavailable

REFUSALS = (ACCESS, VERSION)
REFUSAL_S = 15.0  # more than the longest back-off, after which a refused client tries again

log = structlog.get_logger(__name__)


class FailureReport:
    """The failures of one client of a topic. `rights`: those that its requests need."""

    def __init__(self, topic: str, rights: Rights) -> None:
        self.rights = rights
        self._topic = topic
        self._failure: LogUnavailable | None = None
        self._refused_at_s: float | None = None  # on the loop's clock, if the failure is a refusal
        self._logged = ""

    def current(self) -> LogUnavailable | None:
        """What is shown now."""
        if self._refused_at_s is not None and asyncio.get_running_loop().time() > self._refused_at_s + REFUSAL_S:
            self.works()
        return copy(self._failure)  # each time it is raised, an exception's traceback grows

    def unconnected(self, error: Exception) -> None:
        """There is no connection, by this error of the driver."""
        self._show(log_unavailable(error, self.rights), refused_at_s=None)

    def refused(self, error: Exception) -> LogUnavailable:
        """The error to raise for one of the driver's. It is shown if a broker refused the request."""
        failure = error if isinstance(error, LogUnavailable) else log_unavailable(error, self.rights)
        if failure.reason in REFUSALS:
            self._show(failure, refused_at_s=asyncio.get_running_loop().time())
        return failure

    def connected(self) -> None:
        """There is a connection. What it may do is not known yet."""
        if self._refused_at_s is None:
            self.works()

    def works(self) -> None:
        """A request has succeeded."""
        if self._failure is not None:
            self._failure = self._refused_at_s = None
            self._logged = ""

    def _show(self, failure: LogUnavailable, *, refused_at_s: float | None) -> None:
        self._failure, self._refused_at_s = copy(failure), refused_at_s
        if str(failure) != self._logged:
            self._logged = str(failure)
            log.warning(
                "log_unreachable", topic=self._topic, reason=failure.reason, problem=str(failure), goes_on="tries again"
            )
