"""The rate limit of a viewer: a token bucket per viewer and process. Beyond it a request is answered 429."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from siddes_telemetry.schemas.errors import ApiError, ErrorCode

MAX_VIEWERS = 100_000  # viewers remembered: about 20 MB with the longest ids
BURST_S = 2  # a full bucket holds this many seconds' worth of requests
_NS = 1_000_000_000


class RateLimiter:
    """Allows `per_second` requests of a viewer, and bursts of twice that. 0 switches it off.

    A bucket is one number, the time at which it is full again (GCRA, ITU-T I.371), in whole nanoseconds so that a burst
    is exact. Beyond `max_viewers`, the least recently seen viewer is forgotten, and so has a full bucket; after BURST_S
    without requests it has one anyway.
    """

    def __init__(self, per_second: float, *, clock_ns: Callable[[], int], max_viewers: int = MAX_VIEWERS) -> None:
        """`clock_ns` is monotonic."""
        self._interval = round(_NS / per_second) if per_second else 0
        self._depth = max(1, int(per_second * BURST_S)) * self._interval
        self._clock_ns = clock_ns
        self._max_viewers = max_viewers
        self._full_at: OrderedDict[str, int] = OrderedDict()

    def take(self, viewer_id: str) -> None:
        """Take a token. Raises ApiError rate_limited, with the whole seconds until there is one, rounded up."""
        if not self._interval:
            return
        now = self._clock_ns()
        buckets = self._full_at
        full_at = buckets.get(viewer_id, 0)
        full_at = (full_at if full_at > now else now) + self._interval  # noqa: FURB136  # max() takes longer
        early_by = full_at - now - self._depth
        if early_by > 0:
            if viewer_id in buckets:  # else one bucket is smaller than a request
                buckets.move_to_end(viewer_id)
            raise ApiError(ErrorCode.rate_limited, retry_after_s=-(-early_by // _NS))
        buckets[viewer_id] = full_at
        buckets.move_to_end(viewer_id)
        if len(buckets) > self._max_viewers:
            buckets.popitem(last=False)
