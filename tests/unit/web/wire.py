"""A transport in memory."""

from __future__ import annotations

import asyncio


class Wire(asyncio.Transport):
    """Keeps what is sent, and when it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.closed_at_s: float | None = None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += bytes(data)

    def write_eof(self) -> None:
        pass

    def close(self) -> None:
        if self.closed_at_s is None:
            self.closed_at_s = asyncio.get_running_loop().time()

    def is_closing(self) -> bool:
        return self.closed_at_s is not None

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def resume_reading(self) -> None:
        pass

    def pause_reading(self) -> None:
        pass
