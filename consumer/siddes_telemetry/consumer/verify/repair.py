"""Rows that a verification found missing, put into the store: under tokens of their own, once."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable

import structlog

from siddes_telemetry.backends.ports.errors import BackendError, StoreUnavailable
from siddes_telemetry.backends.ports.store import BlockStore, RowSelection, StoreAudit
from siddes_telemetry.consumer.verify.exclusions import Exclusions
from siddes_telemetry.schemas.table import COUNTS_TABLE, place_of_row

OFFSETS = 200  # in one insert: records have at most 5,000 rows, mostly a hundred
MAX_ROWS = 50_000  # in one insert all the same: 12 MB, below the 20 MB that the store takes as one block
ATTEMPTS = 5  # tokens tried for the same rows, where a crash of the store has spent one of them
INSERT_DEADLINE_S = 60.0

log = structlog.get_logger(__name__)


class TooManyMissingError(BackendError):
    """More is missing than what was agreed upon."""


class Repairer:
    """Inserts rows of offsets that the consumers have left behind, of partitions that are in no trouble.

    At most `limit` rows. What is inserted at once, and under which token, depends on the rows' places and on nothing
    else: so two operators, or one who repeats a repair that was not confirmed, insert them once.
    """

    def __init__(self, store: BlockStore, audit: StoreAudit, *, limit: int) -> None:
        self._store = store
        self._audit = audit
        self._left = limit

    async def __call__(self, stretch: RowSelection, expected: Counter[bytes]) -> int:
        """How many of these rows of a stretch were missing, and are there now.

        Raises StoreUnavailable, StoreRefused or TooManyMissingError.
        """
        attempts = ATTEMPTS if self._store.tokens_may_lack_rows else 1  # else nothing was spent: a replica lags
        missing = await self._missing(stretch, expected)
        rows = missing.total()
        self._left -= rows
        if self._left < 0:
            raise TooManyMissingError("more is missing by now than what was shown: verify again")
        for attempt in range(attempts):
            for block in blocks(missing):
                token = repair_token(stretch, block, attempt)
                await self._store.insert(block, token, deadline_s=INSERT_DEADLINE_S)
            missing = await self._missing(stretch, expected)
            if not missing:
                log.warning("rows_repaired", partition=stretch.partition, rows=rows)
                return rows
        raise StoreUnavailable("the store confirms rows and does not have them")

    async def _missing(self, stretch: RowSelection, expected: Counter[bytes]) -> Counter[bytes]:
        await self._audit.sync_replicas()
        missing = expected - Counter(await self._audit.lines(stretch))
        purged = await self._audit.purge_history(stretch.log_id)  # after the rows: it is written down before they go
        exclusions = Exclusions(purged, stretch.partition, expired_ms=stretch.since_ms)
        return Counter({line: times for line, times in missing.items() if not exclusions.has(line)})


def blocks(rows: Counter[bytes]) -> Iterable[bytes]:
    """The rows as they are inserted: by table day and by fixed ranges of offsets, so that each is there or is not."""
    groups: dict[tuple[str, int], list[bytes]] = defaultdict(list)
    for line in sorted(rows.elements()):
        day, offset = place_of_row(line)
        groups[day, offset // OFFSETS].append(line)
    for _, lines in sorted(groups.items()):
        for start in range(0, len(lines), MAX_ROWS):
            yield b"".join(lines[start : start + MAX_ROWS])


def repair_token(stretch: RowSelection, block: bytes, attempt: int) -> str:
    """The name of these rows as a repair: different from every token of a consumer."""
    digest = hashlib.blake2b(block, digest_size=16).hexdigest()
    return f"v1:repair:{COUNTS_TABLE}:{stretch.log_id}:{stretch.partition}:{digest}:{attempt}"
