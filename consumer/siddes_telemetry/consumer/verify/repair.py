"""Inserts the rows that a verification found missing, once, under insert tokens of their own."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable

import structlog

from siddes_telemetry.backends.ports.errors import BackendError, StoreUnavailable
from siddes_telemetry.backends.ports.store import BlockStore, RowSelection, StoreAudit
from siddes_telemetry.consumer.part_pace import PartPace
from siddes_telemetry.consumer.verify.exclusions import Exclusions
from siddes_telemetry.schemas.ddl import PARTS_OF_A_REPAIR
from siddes_telemetry.schemas.table import COUNTS_TABLE, row_day_and_offset

OFFSETS = 200  # in one insert: a record has at most 5,000 rows, mostly about a hundred
MAX_ROWS = 50_000  # in one insert: 12 MB, below the 20 MB that the store takes as one block
ATTEMPTS = 5  # tokens for the same rows: a crash of the store can keep a token and lose its rows
INSERT_DEADLINE_S = 60.0

log = structlog.get_logger(__name__)


class TooManyMissingError(BackendError):
    """More rows are missing than the operator has agreed to insert."""


class Repairer:
    """Inserts at most `limit` rows, of offsets that the consumers have passed.

    How rows are grouped into inserts, and their tokens, follow from the rows and their offsets alone. So two operators,
    or one who repeats an unconfirmed repair, insert each row once.
    """

    def __init__(self, store: BlockStore, audit: StoreAudit, *, limit: int) -> None:
        self._store = store
        self._audit = audit
        self._left = limit
        self._pace = PartPace(PARTS_OF_A_REPAIR)

    async def __call__(self, selection: RowSelection, expected: Counter[bytes]) -> int:
        """Returns how many of these rows of a selection were missing and are stored now.

        Raises StoreUnavailable, StoreRefused or TooManyMissingError.
        """
        # Where no token can be spent, rows that are confirmed and not there are those of a replica that lags.
        attempts = ATTEMPTS if await self._store.tokens_may_lack_rows() else 1
        missing = await self._missing(selection, expected)
        rows = missing.total()
        self._left -= rows
        if self._left < 0:
            raise TooManyMissingError("more is missing by now than what was shown: verify again")
        for attempt in range(attempts):
            for block in blocks(missing):
                token = repair_token(selection, block, attempt)
                await self._keep_pace()
                await self._store.insert(block, token, deadline_s=INSERT_DEADLINE_S)
            missing = await self._missing(selection, expected)
            if not missing:
                log.warning("rows_repaired", partition=selection.partition, rows=rows)
                return rows
        raise StoreUnavailable("the store confirms rows and does not have them")

    async def _keep_pace(self) -> None:
        """Insert no faster than the store remembers the consumers' tokens."""
        clock_s = asyncio.get_running_loop().time
        await asyncio.sleep(self._pace.wait_s(clock_s()))
        self._pace.take(1, clock_s())

    async def _missing(self, selection: RowSelection, expected: Counter[bytes]) -> Counter[bytes]:
        await self._audit.sync_replicas()
        missing = expected - Counter(await self._audit.lines(selection))
        # Read after the rows: a purge is written down before it removes any.
        purged = await self._audit.purge_history(selection.log_id)
        exclusions = Exclusions(purged, selection.partition, expired_ms=selection.since_ms)
        return Counter({line: times for line, times in missing.items() if not exclusions.has(line)})


def blocks(rows: Counter[bytes]) -> Iterable[bytes]:
    """Yields the rows of each insert: of one day and one fixed range of offsets, so it is stored whole or not."""
    groups: dict[tuple[str, int], list[bytes]] = defaultdict(list)
    for line in sorted(rows.elements()):
        day, offset = row_day_and_offset(line)
        groups[day, offset // OFFSETS].append(line)
    for _, lines in sorted(groups.items()):
        for start in range(0, len(lines), MAX_ROWS):
            yield b"".join(lines[start : start + MAX_ROWS])


def repair_token(selection: RowSelection, block: bytes, attempt: int) -> str:
    """Returns the insert token of a repair, which differs from every token of a consumer."""
    digest = hashlib.blake2b(block, digest_size=16).hexdigest()
    return f"v1:repair:{COUNTS_TABLE}:{selection.log_id}:{selection.partition}:{digest}:{attempt}"
