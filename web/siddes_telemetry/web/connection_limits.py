"""The limits of one client's connection: how long the client may take, and how much it may make us keep."""

from __future__ import annotations

from dataclasses import dataclass

READ_BUFFER_BYTES = 64 * 1024  # per connection; reading pauses at twice this until the handler reads the body
PIECE_BYTES = 16 * 1024  # parsed at a time, so that an excess is seen early
MAX_OVERHEAD_BYTES = 64 * 1024  # of a request that arrives in pieces: head and framing, beside a quarter of the body
MAX_DROPPED_BYTES = 256 * 1024  # an unread body up to the largest batch is read and dropped; beyond, we close
MAX_QUEUED = 8  # requests sent ahead of their responses; then reading pauses until half of them are answered
QUEUED_BYTES = 4 * 1024  # memory of one queued request's parsed head
LARGE_BODY_BYTES = 16 * 1024  # a response body of this size is not copied behind its head: responses may share it


@dataclass(frozen=True, slots=True)
class ClientTimeouts:
    """How long a client may take, in seconds."""

    silence_s: float = 10.0  # from connecting to the first byte
    arrival_s: float = 10.0  # a request, from its first byte to its last
    idle_s: float = 75.0  # between requests: longer than the usual proxy's 60 s, so that the proxy closes first
    answer_s: float = 10.0  # to take a response that the kernel does not buffer
    closing_s: float = 2.0  # to read the last response before unread bytes turn the close into a reset
