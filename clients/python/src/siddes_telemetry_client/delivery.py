"""A sender with its HTTP session: what every client runs in some event loop."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from aiohttp.abc import AbstractResolver

from siddes_telemetry_client.drop_warnings import DropWarnings
from siddes_telemetry_client.sender import Sender
from siddes_telemetry_client.settings import ClientSettings
from siddes_telemetry_client.transport import HttpTransport, make_session


class Delivery:
    """Sends for as long as the context lasts. Its exit sends waiting calls, for at most `close_timeout_s`."""

    def __init__(
        self,
        settings: ClientSettings,
        *,
        close_timeout_s: float,
        resolver: AbstractResolver | None = None,
        warnings: DropWarnings | None = None,
    ) -> None:
        """Needs a running event loop. `resolver` looks host names up; None: aiohttp's, in threads."""
        self._close_timeout_s = close_timeout_s
        self.session = make_session(settings.request_timeout_s, resolver)
        self.sender = Sender(
            HttpTransport(self.session, settings.batch_url),
            linger_s=settings.linger_s,
            max_waiting=settings.max_waiting,
            warnings=warnings,
        )

    async def __aenter__(self) -> Self:
        self.running = asyncio.create_task(self.sender.run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Send waiting calls until `close_timeout_s` has passed; the rest is abandoned."""
        try:
            await self.sender.flush(self._close_timeout_s)
        finally:
            self.running.cancel()
            try:
                await self.sender.stop()
                await asyncio.wait({self.running})
            finally:  # some frameworks cancel at every await
                await self.session.close()
