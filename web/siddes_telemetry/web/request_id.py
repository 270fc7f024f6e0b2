"""X-Request-Id: taken over where it can only be an identifier, else made."""

from __future__ import annotations

import re
from random import Random

_TAKEN_OVER = re.compile(r"[0-9a-fA-F]{16,32}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class RequestIds:
    """Names requests. `random` need not be secret, but must differ between processes."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def new(self) -> str:
        return self._random.getrandbits(128).to_bytes(16, "big").hex()

    def for_header(self, sent: str | None) -> str:
        """What was sent, if it is a UUID or 16 to 32 hex digits; else a new one."""
        if sent is not None and _TAKEN_OVER.fullmatch(sent):
            return sent
        return self.new()
