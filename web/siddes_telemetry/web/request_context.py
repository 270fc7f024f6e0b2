"""What belongs to one request from its head to its response."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from siddes_telemetry.web.incoming_request import IncomingRequest
from siddes_telemetry.web.routing import Route


@dataclass(slots=True, repr=False)  # not frozen: that costs time for each request; no repr: it holds what was sent
class RequestContext:
    """One request on its way through the pipeline."""

    incoming: IncomingRequest
    started_s: float  # monotonic
    request_id: str
    path: str
    query: str
    methods: Mapping[str, Route]  # the routes of its path, by method
    is_key_pending: bool = False  # its 503 is neither an outage nor an error of ours (see KeyRefreshPending)
