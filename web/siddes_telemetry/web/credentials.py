"""What a request brings to say who is asking, and what authentication makes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from siddes_telemetry.schemas.errors import ApiError, ErrorCode


@dataclass(frozen=True, slots=True)
class Credentials:
    """The headers that authentication looks at, as sent; none of them shows in a repr."""

    authorization: str | None = field(default=None, repr=False)
    cookie: str | None = field(default=None, repr=False)
    dev_viewer: str | None = field(default=None, repr=False)  # the header x-sd-viewer
    allow_dev_viewer: bool = True  # false under /api/auth/


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is asking. `by_cookie`: a browser sent this by itself, so a write needs the cross-site check."""

    viewer_id: str = field(repr=False)
    by_cookie: bool


class NoViewer(ApiError):
    """401. `reason`: one of authentication's own words for why, for the log."""

    def __init__(self, reason: str) -> None:
        super().__init__(ErrorCode.no_viewer)
        self.reason = reason


class KeyRefreshPending(ApiError):
    """503 for a token that may be signed by a key newer than those at hand.

    Anybody can cause it by making tokens up: it is neither an error of ours nor an outage.
    """

    def __init__(self, *, retry_after_s: int) -> None:
        super().__init__(ErrorCode.unavailable, retry_after_s=retry_after_s)


class Authenticator(Protocol):
    """Decides who is asking."""

    def cached_identity(self, authorization: str | None, cookie: str | None) -> Identity | None:
        """The viewer, where these headers alone were found good lately; None says nothing: ask `identify`."""

    async def identify(self, credentials: Credentials) -> Identity:
        """The viewer (its pseudonym where those are on).

        Raises NoViewer, KeyRefreshPending, or ApiError unavailable where somebody who must be asked does not answer.
        """
