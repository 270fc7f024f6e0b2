"""Rows that a verification found missing, put into the store: under tokens of their own, once."""

from __future__ import annotations

import hashlib
from collections import Counter

import structlog

from siddes_telemetry.backends.ports import BlockStore, StoreAudit, StoreUnavailable, Stretch
from siddes_telemetry.schemas.table import COUNTS_TABLE

MAX_ROWS = 50_000  # in one insert: 12 MB, below the 16 MB that the store takes as one block
ATTEMPTS = 5  # tokens tried for the same rows, where a crash of the store has spent one of them
INSERT_DEADLINE_S = 60.0

log = structlog.get_logger(__name__)


class Repairer:
    """Inserts rows of offsets that the consumers have long left behind: nobody else ever inserts them."""

    def __init__(self, store: BlockStore, audit: StoreAudit) -> None:
        self._store = store
        self._audit = audit

    async def __call__(self, stretch: Stretch, missing: Counter[bytes]) -> int:
        """How many rows were inserted and are there now. Raises StoreUnavailable, or StoreRefused.

        The same rows go under the same token, so that two operators, or one who repeats a repair that was not
        confirmed, insert them once; a token that brought nothing is followed by another.
        """
        before = Counter(await self._audit.lines(stretch))
        wanted = before + missing
        for attempt in range(ATTEMPTS):
            lines = sorted((wanted - Counter(await self._audit.lines(stretch))).elements())
            if not lines:
                log.warning("rows_repaired", partition=stretch.partition, rows=missing.total())
                return missing.total()
            for start in range(0, len(lines), MAX_ROWS):
                block = b"".join(lines[start : start + MAX_ROWS])
                await self._store.insert(block, repair_token(stretch, block, attempt), deadline_s=INSERT_DEADLINE_S)
        raise StoreUnavailable("the store confirms rows and does not have them")


def repair_token(stretch: Stretch, block: bytes, attempt: int) -> str:
    """The name of these rows as a repair: different from every token of a consumer."""
    digest = hashlib.blake2b(block, digest_size=16).hexdigest()
    return f"v1:repair:{COUNTS_TABLE}:{stretch.log_id}:{stretch.partition}:{digest}:{attempt}"
