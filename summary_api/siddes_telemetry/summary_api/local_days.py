"""When the days of a time zone begin, whatever its clocks do: skip an hour, repeat one, or skip a whole day. Pure.

clocks                              its day begins
show midnight once                  then
show midnight twice                 the first time
skip midnight                       with the first second that is of this date
skip the whole date                 never: there is no such day
"""

from __future__ import annotations

from bisect import bisect_left
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo


def day_starts_ms(*, since_ms: int, now_ms: int, zone: ZoneInfo) -> list[int]:
    """The starts of the days from the one that contains `since_ms` to the one that contains `now_ms`, in order."""
    first, last = (datetime.fromtimestamp(at_ms // 1000, zone).date() for at_ms in (since_ms, now_ms))
    # And the day after: clocks that are put back just after midnight show the end of the day before again.
    days = range(first.toordinal(), last.toordinal() + 2)
    starts = sorted({_first_second(date.fromordinal(day), zone) * 1000 for day in days})
    begun = [start for start in starts if start <= now_ms]
    return [start for start, end in zip(begun, [*begun[1:], now_ms + 1], strict=True) if end > since_ms]


def _first_second(day: date, zone: ZoneInfo) -> int:
    """The first second, since the epoch, at which the zone's date is this day, or a later one."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    first, second = (int(midnight.replace(fold=fold).timestamp()) for fold in (0, 1))
    if second >= first:
        return first
    # Midnight is skipped (PEP 495): the clocks change after `second` and no later than `first`.
    before = _offset(second, zone)
    return second + bisect_left(range(second, first), True, key=lambda at: _offset(at, zone) != before)  # noqa: FBT003  # the key's value


def _offset(epoch_s: int, zone: ZoneInfo) -> timedelta | None:
    return datetime.fromtimestamp(epoch_s, UTC).astimezone(zone).utcoffset()
