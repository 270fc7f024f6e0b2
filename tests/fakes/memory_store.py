"""A store in memory: BlockStore, CountReader, StoreAdmin and StoreAudit for unit tests, with hooks to make it fail.

It keeps tokens as the real store does: one for each (token, table day), seen ones change nothing.
"""

from __future__ import annotations

import asyncio
import json
import random
from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from siddes_telemetry.backends.ports.administration import LogIsUnused, PurgeTotals, no_log_is_known
from siddes_telemetry.backends.ports.errors import BackendError, StoreMissing, StoreRefused, StoreUnavailable
from siddes_telemetry.backends.ports.store import (
    PurgedAhead,
    PurgeHistory,
    RowSelection,
    RowSums,
    SetAside,
    StoredDay,
    StoredPartition,
)
from siddes_telemetry.schemas.client_batch import MAX_LINE_COUNT, Line
from siddes_telemetry.schemas.registry_changes import KnownEvents
from siddes_telemetry.schemas.table import encode_row, row_checksum
from siddes_telemetry.schemas.timestamps import format_time, parse_time
from siddes_telemetry.schemas.viewer import MAX_VIEWER_ID

CANNOT_PARSE, UNKNOWN_FIELD, CONSTRAINT, UNKNOWN_ENUM = 27, 117, 469, 691  # ClickHouse's numbers
_DAY_MS = 24 * 3600 * 1000
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_FIELDS = {"viewer_id", "event", "count", "created_at", "log_id", "log_partition", "log_offset"}


@dataclass(frozen=True, slots=True)
class StoredRow:
    """One row of the table."""

    viewer_id: str
    event: str
    count: int
    created_at_ms: int
    log_id: int
    partition: int
    offset: int

    @property
    def line(self) -> bytes:
        line = Line(self.viewer_id, self.event, self.count, self.created_at_ms)
        return encode_row(line, format_time(self.created_at_ms), self.log_id, self.partition, self.offset)

    @property
    def day(self) -> date:
        return date.fromordinal(_EPOCH_DAY + self.created_at_ms // _DAY_MS)


@dataclass(frozen=True, slots=True)
class _Failure:
    exception: BackendError
    applied_days: Collection[date] | bool
    tokens_only: bool


class MemoryStore:
    """Everything a store does. `events`: the names taken, or any; `migrated`: whether the table is there already.

    Hooks: `rows` (what is stored), `attempts` (every insert's token and block, in order), `fail_next`,
    `made_for` (what `stored_events` tells), `down` (every call raises it while set), `gate` (inserts and counts wait
    while it is clear), `forget_tokens`.
    """

    lone = True  # whether a crash may keep tokens and lose their rows

    def __init__(self, *, events: Collection[str] | None = None, migrated: bool = True, seed: int = 0) -> None:
        self.rows: list[StoredRow] = []
        self.attempts: list[tuple[str, bytes]] = []
        self.down: BackendError | None = None
        self.made_for: KnownEvents | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self._events = events
        self._migrated = migrated
        self._random = random.Random(seed)
        self._tokens: set[tuple[str, date]] = set()
        self._failures: list[_Failure] = []
        self._log_ids: dict[str, int] = {}
        self._purged_before_ms = 0
        self._set_asides: dict[tuple[int, int], set[SetAside]] = {}
        self._purged_ahead: set[tuple[int, PurgedAhead]] = set()

    def fail_next(
        self, exception: BackendError, *, applied: bool | Collection[date], tokens_only: bool = False
    ) -> None:
        """The next insert (then the next, if called again) raises this; its rows, or those of some days, are kept.

        `tokens_only`: instead of these rows only their tokens, as a server keeps that is killed at the wrong moment.
        """
        self._failures.append(_Failure(exception, applied, tokens_only))

    def forget_tokens(self) -> None:
        """What a deduplication window that is too small does."""
        self._tokens.clear()

    async def insert(self, block: bytes, token: str, *, deadline_s: float) -> None:
        self.attempts.append((token, block))
        await self._pass_gate(deadline_s)
        failure = self._failures.pop(0) if self._failures else None
        if failure is None:
            self._apply(block, token, days=True)
            return
        self._apply(block, token, days=failure.applied_days, tokens_only=failure.tokens_only)
        raise failure.exception

    async def tokens_may_lack_rows(self) -> bool:
        self._check()
        return self.lone

    async def set_asides(self, log_id: int, partition: int) -> Sequence[SetAside]:
        self._check()
        return sorted(self._set_asides.get((log_id, partition), ()), key=lambda each: (each.start, each.end or 0))

    async def stored_events(self) -> KnownEvents | None:
        self._check()
        return self.made_for

    async def write_set_aside(self, log_id: int, partition: int, decision: SetAside) -> None:
        self._check()
        self._set_asides.setdefault((log_id, partition), set()).add(decision)

    async def stored_days(self, log_id: int, partition: int, from_offset: int) -> Sequence[StoredDay]:
        self._check()
        found: dict[date, list[int]] = {}
        for row in self.rows:
            if row.log_id == log_id and row.partition == partition and row.offset >= from_offset:
                found.setdefault(row.day, []).append(row.offset)
        return [StoredDay(day, len(offsets), max(offsets)) for day, offsets in sorted(found.items())]

    async def log_id(self, log_name: str, *, synchronized: bool = True) -> int | None:  # noqa: ARG002  # nothing lags
        self._check()
        return self._log_ids.get(log_name)

    async def counts(self, viewer_id: str, *, since_ms: int, deadline_s: float) -> Mapping[str, int]:
        await self._pass_gate(deadline_s)
        sums: Counter[str] = Counter()
        for row in self._lines(viewer_id, since_ms):
            sums[row.event] += row.count
        return dict(sums)

    async def counts_by_step(
        self, viewer_id: str, *, since_ms: int, step_ms: int, deadline_s: float
    ) -> Mapping[int, Mapping[str, int]]:
        await self._pass_gate(deadline_s)
        steps: dict[int, Counter[str]] = {}
        for row in self._lines(viewer_id, since_ms):
            start_ms = row.created_at_ms // step_ms * step_ms
            steps.setdefault(start_ms, Counter())[row.event] += row.count
        return steps

    async def counts_by_window(
        self, viewer_id: str, *, starts_ms: Sequence[int], deadline_s: float
    ) -> Sequence[Mapping[str, int]]:
        await self._pass_gate(deadline_s)
        windows: list[Counter[str]] = [Counter() for _ in starts_ms]
        for row in self._lines(viewer_id, starts_ms[0]):
            windows[bisect_right(starts_ms, row.created_at_ms) - 1][row.event] += row.count
        return windows

    async def ping_summary(self) -> None:
        self._check()

    async def ping_insert(self) -> None:
        self._check()

    async def pending(self, *, log_is_unused: LogIsUnused = no_log_is_known) -> Sequence[str]:  # noqa: ARG002  # it holds rows of any event
        self._check(table=False)
        return [] if self._migrated else ["CREATE TABLE"]

    async def migrate(self, *, log_is_unused: LogIsUnused = no_log_is_known) -> Sequence[str]:
        statements = await self.pending(log_is_unused=log_is_unused)
        self._migrated = True
        return statements

    async def adopt_log(self, log_name: str, *, new: bool = False, log_id: int | None = None) -> int:
        self._check()
        if new or log_name not in self._log_ids:
            self._log_ids[log_name] = self._random.getrandbits(32) if log_id is None else log_id
        return self._log_ids[log_name]

    async def purgeable(self, before_ms: int, ahead_ms: int) -> PurgeTotals:
        self._check()
        gone = [row for row in self.rows if row.created_at_ms < before_ms or row.created_at_ms >= ahead_ms]
        times = [row.created_at_ms for row in gone]
        ahead = sum(1 for at_ms in times if at_ms >= ahead_ms)
        counts = sum(row.count for row in gone)
        return PurgeTotals(len(gone), counts, min(times, default=None), max(times, default=None), ahead)

    async def purge(self, before_ms: int, ahead_ms: int) -> PurgeTotals:
        gone = await self.purgeable(before_ms, ahead_ms)
        if gone.rows > gone.ahead_rows:
            self._purged_before_ms = max(self._purged_before_ms, before_ms)
        up_to: dict[tuple[int, int], int] = {}
        for row in self.rows:
            if row.created_at_ms >= ahead_ms:
                place = row.log_id, row.partition
                up_to[place] = max(row.offset, up_to.get(place, 0))
        for (log_id, partition), offset in up_to.items():
            self._purged_ahead.add((log_id, PurgedAhead(partition, offset, ahead_ms)))
        self.rows = [row for row in self.rows if before_ms <= row.created_at_ms < ahead_ms]
        return gone

    async def sync_replicas(self) -> None:
        self._check()

    async def stored_logs(self) -> Sequence[int]:
        self._check()
        return sorted({row.log_id for row in self.rows})

    async def stored_partitions(self, log_id: int) -> Mapping[int, StoredPartition]:
        self._check()
        offsets: dict[int, list[int]] = {}
        for row in self.rows:
            if row.log_id == log_id:
                offsets.setdefault(row.partition, []).append(row.offset)
        return {partition: StoredPartition(len(found), min(found), max(found)) for partition, found in offsets.items()}

    async def purge_history(self, log_id: int) -> PurgeHistory:
        self._check()
        ahead = sorted(
            (each for log, each in self._purged_ahead if log == log_id),
            key=lambda each: (each.partition, each.up_to_offset, each.ahead_ms),
        )
        return PurgeHistory(self._purged_before_ms, tuple(ahead))

    async def row_count(self, selection: RowSelection) -> int:
        return sum(1 for _ in self._rows_in(selection))

    async def sums(self, selection: RowSelection) -> RowSums:
        return self._sums(selection, max(1, selection.end)).get(0, RowSums())

    async def sums_by_range(self, selection: RowSelection, width: int) -> Mapping[int, RowSums]:
        return self._sums(selection, width)

    def _sums(self, selection: RowSelection, width: int) -> dict[int, RowSums]:
        found: dict[int, RowSums] = {}
        for row in self._rows_in(selection):
            number = (row.offset - selection.start) // width
            found[number] = found.get(number, RowSums()) + RowSums(1, row.count, row_checksum(row.line))
        return found

    async def sums_by_day(self, selection: RowSelection) -> Mapping[date, RowSums]:
        found: dict[date, RowSums] = {}
        for row in sorted(self._rows_in(selection), key=lambda row: row.day):
            found[row.day] = found.get(row.day, RowSums()) + RowSums(1, row.count, row_checksum(row.line))
        return found

    async def lines(self, selection: RowSelection) -> Sequence[bytes]:
        return [row.line for row in self._rows_in(selection)]

    def _rows_in(self, selection: RowSelection) -> Iterator[StoredRow]:
        self._check()
        return (
            row
            for row in self.rows
            if (row.log_id, row.partition) == (selection.log_id, selection.partition)
            and selection.start <= row.offset < selection.end
            and row.created_at_ms >= selection.since_ms
            and (selection.before_ms is None or row.created_at_ms < selection.before_ms)
            and not any(
                row.offset <= purged.up_to_offset and row.created_at_ms >= purged.ahead_ms
                for purged in selection.purged_ahead
            )
        )

    async def close(self) -> None:
        """Nothing to let go."""

    def _lines(self, viewer_id: str, since_ms: int) -> list[StoredRow]:
        return [row for row in self.rows if row.viewer_id == viewer_id and row.created_at_ms >= since_ms]

    async def _pass_gate(self, deadline_s: float) -> None:
        try:
            async with asyncio.timeout(deadline_s):
                await asyncio.sleep(0)  # others go first, as they do where a store is asked over a wire
                await self.gate.wait()
        except TimeoutError:
            raise StoreUnavailable("the deadline passed") from None
        self._check()

    def _check(self, *, table: bool = True) -> None:
        if self.down is not None:
            raise self.down
        if table and not self._migrated:
            raise StoreMissing("no table")

    def _apply(self, block: bytes, token: str, *, days: Collection[date] | bool, tokens_only: bool = False) -> None:
        fresh = self._take_tokens(block, token, days=days)
        if not tokens_only:
            self.rows.extend(fresh)

    def _take_tokens(self, block: bytes, token: str, *, days: Collection[date] | bool) -> list[StoredRow]:
        """The rows of these days whose token was not seen before; now it is."""
        rows = [self._row(line) for line in block.splitlines()]
        kept = {row.day for row in rows if days is True or (days is not False and row.day in days)}
        fresh = {day for day in kept if (token, day) not in self._tokens}
        self._tokens.update((token, day) for day in fresh)
        return [row for row in rows if row.day in fresh]

    def _row(self, line: bytes) -> StoredRow:
        try:
            fields = json.loads(line)
            created_at_ms = parse_time(fields["created_at"])
        except (ValueError, TypeError, KeyError):
            raise StoreRefused(CANNOT_PARSE) from None
        if set(fields) - _FIELDS:
            raise StoreRefused(UNKNOWN_FIELD)
        if self._events is not None and fields["event"] not in self._events:
            raise StoreRefused(UNKNOWN_ENUM)
        if not (1 <= fields["count"] <= MAX_LINE_COUNT and 1 <= len(fields["viewer_id"]) <= MAX_VIEWER_ID):
            raise StoreRefused(CONSTRAINT)
        return StoredRow(
            fields["viewer_id"],
            fields["event"],
            fields["count"],
            created_at_ms,
            fields["log_id"],
            fields["log_partition"],
            fields["log_offset"],
        )
