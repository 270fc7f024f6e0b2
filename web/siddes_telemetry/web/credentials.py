"""Credentials of a request, the identity that authentication finds for them, and how it fails."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from siddes_telemetry.schemas.errors import ApiError, ErrorCode


@dataclass(frozen=True, slots=True)
class Credentials:
    """The headers that authentication reads, as sent. None of them is in the repr."""

    authorization: str | None = field(default=None, repr=False)
    cookie: str | None = field(default=None, repr=False)
    dev_viewer: str | None = field(default=None, repr=False)  # the header x-sd-viewer
    allow_dev_viewer: bool = True  # false under /api/auth/


@dataclass(frozen=True, slots=True)
class Identity:
    """The viewer of a request. `by_cookie`: a browser adds cookies by itself, so a write needs the cross-site check."""

    viewer_id: str = field(repr=False)
    by_cookie: bool


class NoViewer(ApiError):
    """401. `reason` is for the log: one of the fixed words of authentication."""

    def __init__(self, reason: str) -> None:
        super().__init__(ErrorCode.no_viewer)
        self.reason = reason


class KeyRefreshPending(ApiError):
    """503 for a token that may be signed by a key newer than the known ones.

    Anyone can cause it with invented tokens: it is neither an error of ours nor an outage.
    """

    def __init__(self, *, retry_after_s: int) -> None:
        super().__init__(ErrorCode.unavailable, retry_after_s=retry_after_s)


class Authenticator(Protocol):
    """Finds the viewer of a request."""

    def cached_identity(self, authorization: str | None, cookie: str | None) -> Identity | None:
        """The viewer, if these headers were accepted lately. None: not known, call `identify`."""

    async def identify(self, credentials: Credentials) -> Identity:
        """The viewer, or its pseudonym if those are on.

        Raises NoViewer, KeyRefreshPending, or ApiError unavailable if the app or the key server does not answer.
        """
