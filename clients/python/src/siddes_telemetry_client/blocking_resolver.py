"""Looks host names up in the calling thread: for an event loop that nobody else uses.

aiohttp's own resolver needs a thread pool, and pools take no work once the interpreter ends, just when the last
counts are sent. A slow name server holds up nothing here but the sending.
"""

from __future__ import annotations

import codecs
import socket

from aiohttp.abc import AbstractResolver, ResolveResult

codecs.lookup("idna")  # socket and ssl would import it at the first name: a fork meanwhile leaves its lock to no thread
_NUMERIC = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


class BlockingResolver(AbstractResolver):
    """The addresses that the system gives."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Addresses in the system's order. Raises OSError."""
        found = socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
        return [
            ResolveResult(
                hostname=host, host=str(address[0]), port=int(address[1]), family=kind, proto=proto, flags=_NUMERIC
            )
            for kind, _, proto, _, address in found
        ]

    async def close(self) -> None:
        """Nothing is open."""
