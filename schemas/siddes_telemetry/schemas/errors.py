"""The HTTP error codes: status, meaning, and whether a retry of the same request may succeed.

An error's body is `{"ok":false,"error":CODE}` and never contains any part of the request.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class _Code:
    status: int
    meaning: str
    retriable: bool = False
    retry_after: bool = False


class ErrorCode(Enum):
    """The documented codes. `retriable`: the same request may succeed later; otherwise the error is terminal."""

    invalid_event = _Code(400, "The body is not a JSON object with an event of the registry.")
    invalid_batch = _Code(400, "The body is not a JSON object with a UUID batch_id and a list of events.")
    unexpected_field = _Code(400, "The body has a key that is not part of the contract.")
    bad_request = _Code(400, "The request is not HTTP, or asks for an expectation that is not met.")
    invalid_window = _Code(400, "The window before this one reaches further back than counts are kept.")
    invalid_zone = _Code(400, "The tz is not the name of a time zone, such as Europe/Berlin.")
    no_viewer = _Code(401, "Nobody is signed in: no valid token, session or, in debug, dev viewer.")
    forbidden_origin = _Code(
        403, "A cross-site request that the allowlist does not name; in debug, a Host that is not loopback."
    )
    telemetry_disabled = _Code(404, "Telemetry is switched off. A client stops sending for its session.")
    not_found = _Code(404, "There is nothing at this path.")
    method_not_allowed = _Code(405, "The path exists, the method does not; Allow lists those that do.")
    request_timeout = _Code(408, "The request took more than 10 s to arrive.", retriable=True)
    too_large = _Code(413, "The body is over 64 KiB (single) or 256 KiB (batch), or has over 500 events.")
    unsupported_type = _Code(415, "The Content-Type or Content-Encoding is not one that is read.")
    rate_limited = _Code(
        429, "This viewer sends too fast; Retry-After says when to go on.", retriable=True, retry_after=True
    )
    internal = _Code(500, "A defect of this service; its log output has it under the request id.", retriable=True)
    unavailable = _Code(
        503,
        "May or may not be stored: retry under the same batch_id after Retry-After.",
        retriable=True,
        retry_after=True,
    )

    @property
    def status(self) -> int:
        return self.value.status

    @property
    def retriable(self) -> bool:
        return self.value.retriable

    @property
    def retry_after(self) -> bool:
        """Whether responses with this code have a Retry-After header."""
        return self.value.retry_after

    @property
    def meaning(self) -> str:
        return self.value.meaning

    @property
    def body(self) -> bytes:
        """The whole response body."""
        return b'{"ok":false,"error":"%s"}' % self.name.encode()


class ApiError(Exception):
    """Ends a request with this code. `retry_after_s`: the Retry-After header, in whole seconds."""

    def __init__(self, code: ErrorCode, *, retry_after_s: int | None = None) -> None:
        super().__init__(code.name)
        self.code = code
        self.retry_after_s = retry_after_s
