"""Time zones by their IANA names, from the package tzdata: the same zones and rules wherever a summary is read."""

from __future__ import annotations

from functools import cache
from importlib import resources
from zoneinfo import ZoneInfo

_PACKAGE = "tzdata"


@cache
def zone_names() -> frozenset[str]:
    """All names that are known, some 600. `Europe/Berlin`, and links such as `Asia/Calcutta`, which browsers send."""
    return frozenset(resources.files(_PACKAGE).joinpath("zones").read_text("ascii").split())


def time_zone(name: str) -> ZoneInfo | None:
    """The zone of exactly this name; None if there is none. No other name reaches a path or is kept."""
    return _loaded(name) if name in zone_names() else None


@cache  # as many as there are names
def _loaded(name: str) -> ZoneInfo:
    # ZoneInfo(name) would prefer the files of the system, which images differ in.
    with resources.files(_PACKAGE).joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)
