"""X-Request-Id: accepted if it can only be an identifier, otherwise made."""

from __future__ import annotations

import re
from random import Random

_ACCEPTED = re.compile(r"[0-9a-fA-F]{16,32}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class RequestIds:
    """Makes request ids. `random` need not be secret, but must differ between processes."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def new(self) -> str:
        return self._random.getrandbits(128).to_bytes(16, "big").hex()

    def for_header(self, sent: str | None) -> str:
        """The id that was sent, if it is a UUID or 16 to 32 hex digits; otherwise a new one."""
        if sent is not None and _ACCEPTED.fullmatch(sent):
            return sent
        return self.new()
