"""What is logged when calls are dropped: the first of each kind, with what to do. The texts are constant."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Literal

Kind = Literal[
    "overflow",
    "malformed_token",
    "token_refused",
    "redirected",
    "not_the_gateway",
    "not_found",
    "batch_refused",
    "malformed_event",
    "unknown_event",
    "unreachable",
    "server_error",
    "expired",
    "disabled",
    "abandoned",
]

_TEXTS: dict[Kind, str] = {
    "overflow": "too many counts are waiting to be sent: some are dropped. Is the gateway slow or away? "
    "max_waiting is the limit",
    "malformed_token": "counts are dropped: a token is empty, or not in the form of a bearer token. "
    'Pass the JWT alone, without "Bearer "; where nobody is signed in, do not count',
    "token_refused": "counts are dropped: the gateway refused the token (401 or 403). Is it signed with the gateway's "
    "JWT_SECRET (does it have one?), not expired, with the issuer and audience that the gateway wants? viewer_token() "
    "makes one. "
    "Is the viewer's id one that the gateway takes? It takes e-mail addresses with VIEWER_KEY only",
    "redirected": "counts are dropped: the address answers with a redirect, which is not followed. "
    "Give the gateway's own address, with the right scheme",
    "not_the_gateway": "counts are dropped: the address answers with a web page. A proxy or an app answers there, "
    "and not the gateway",
    "not_found": "counts are dropped: the address does not have /api/telemetry/batch (404 or 405). "
    "Give the address of the gateway alone, without a path or its admin port: http://host:8080",
    "batch_refused": "counts are dropped: the gateway refused them (4xx). Are client and gateway of the same release? "
    "Is there a proxy with limits of its own?",
    "malformed_event": "counts are dropped: an event's name is not lower case letters, digits and _, 64 at most",
    "unknown_event": "counts are dropped: the gateway does not take an event. Is it in its events file, spelled so, "
    "and not retired? `siddes-telemetry schema python` prints types for a file's events",
    "unreachable": "the gateway cannot be reached: counts are retried for 9 minutes. "
    "Is the address right (http or https, host, port), and does it listen there?",
    "server_error": "the gateway has an error (5xx): counts are retried for 9 minutes. Its own log says why",
    "expired": "counts are dropped: 9 minutes of retries failed. They may or may not be counted",
    "disabled": "telemetry is disabled on the server (SIDDES_TELEMETRY_ENABLED=0): "
    "counts are dropped until this process starts again",
    "abandoned": "counts are dropped: the client was closed before they were sent. Close it when no more are made; "
    "close_timeout_s is how long it may send",
}

_log = logging.getLogger("siddes_telemetry_client")


class DropWarnings:
    """Logs the first of each kind, as a warning."""

    def __init__(self) -> None:
        self._told: set[Kind] = set()

    def tell(self, kind: Kind) -> None:
        """Log this kind, unless it was logged before."""
        if kind not in self._told:
            self._told.add(kind)
            with suppress(Exception):  # of a handler of the app: count() raises nothing of the kind
                _log.warning(_TEXTS[kind])
