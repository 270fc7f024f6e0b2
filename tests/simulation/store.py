"""The simulated store: an insert is a message, which the server executes whatever happens to its sender.

The rows of each table day become visible at once; the days of a block one after the other. A token is remembered per
day, for no longer than the lease needs. There are two kinds. A lone server writes a day's token a moment before its
rows: killed in between, it keeps the token and not the rows. Replicas write both at once, and a read that does not
synchronize them first sees the rows of a while ago.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Protocol

from siddes_telemetry.backends.ports.errors import StoreRefused, StoreUnavailable
from siddes_telemetry.backends.ports.store import PurgeHistory, SetAside, StoredDay
from siddes_telemetry.schemas.registry_changes import KnownEvents, known_events
from tests.fakes.consumer_process import REGISTRY
from tests.simulation.faults import Faults
from tests.simulation.hosts import SERVER, Host
from tests.simulation.wire import Wire

LOG_ID = 7
REMEMBERED_S = (200.0, 5000.0)  # a lease, the latest message and an insert's deadline are 60 + 70 + 30 s
DAY_S = (0.0005, 0.002, 0.02)  # how long writing a table day takes
SLOW_DAY_S = (1.0, 12.0, 29.0)
RENAME_S = 0.0004  # from a day's token to its rows
BEHIND_S = (0.0, 5.0, 200.0)  # how far a replica lags

_ROW = re.compile(
    rb'\{"viewer_id":"(?P<viewer>[^"]*)","event":"(?P<event>[^"]*)","count":(?P<count>\d+),'
    rb'"created_at":"(?P<day>[\d-]{10}) (?P<time>[\d:.]{12})",'
    rb'"log_id":7,"log_partition":(?P<partition>\d+),"log_offset":(?P<offset>\d+)\}\n'
)


@dataclass(frozen=True, slots=True)
class StoredRow:
    """One row of the table. `created_at`: format_time's text."""

    viewer_id: str
    event: str
    count: int
    created_at: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class _Insert:
    token: str
    days: Sequence[tuple[str, list[StoredRow]]]
    ends_s: float  # its deadline, on the server's clock
    life: int  # of the server
    done: asyncio.Future[None]


class Witness(Protocol):
    """An observer of every insert that is sent, and of every table day that becomes visible."""

    def sent(self, token: str, block: bytes) -> None: ...

    def stored(self, token: str, rows: Sequence[StoredRow]) -> None: ...


class Store:
    """The server, or the replicas."""

    def __init__(self, faults: Faults, witness: Witness) -> None:
        self.up = True
        self.wire = Wire(faults, reachable=lambda: self.up, refused=StoreUnavailable, silent=StoreUnavailable)
        self._faults = faults
        self._witness = witness
        self.lone = faults.rng.random() < 0.6
        self._remembered_s = faults.rng.choice(REMEMBERED_S)
        self._rows: dict[int, list[tuple[float, str, int]]] = {}  # by partition: (when it was stored, day, offset)
        self._tokens: dict[tuple[str, str], float] = {}  # (token, day): when it was written
        self.set_asides: defaultdict[int, list[SetAside]] = defaultdict(list)  # by partition
        self._life = 0
        self._running = 0

    @property
    def idle(self) -> bool:
        """Whether no insert is in progress."""
        return self._running == 0

    def kill(self) -> None:
        """Inserts in progress stop where they are."""
        self._faults.counts["store killed"] += 1
        self.up = False
        self._life += 1
        self._running = 0

    def start(self) -> None:
        self.up = True

    def stored_days(self, partition: int, from_offset: int, *, synchronized: bool) -> list[StoredDay]:
        behind_s = 0.0 if self.lone or synchronized else self._faults.rng.choice(BEHIND_S)
        seen_s = asyncio.get_running_loop().time() - behind_s
        found: dict[str, tuple[int, int]] = {}
        for stored_s, day, offset in self._rows.get(partition, ()):
            if offset >= from_offset and stored_s <= seen_s:
                rows, last = found.get(day, (0, 0))
                found[day] = (rows + 1, max(last, offset))
        return [StoredDay(date.fromisoformat(day), *found[day]) for day in sorted(found)]

    def last_offset(self, partition: int) -> int | None:
        """The highest stored log_offset of a partition."""
        return max((offset for _, _, offset in self._rows.get(partition, ())), default=None)

    def insert(self, block: bytes, token: str, deadline_s: float) -> asyncio.Future[None]:
        """Start an insert. The future is resolved when it is done. Raises StoreUnavailable or StoreRefused at once."""
        if self._faults.strikes():
            self._faults.counts["insert answered 500"] += 1
            raise StoreUnavailable
        loop = asyncio.get_running_loop()
        by_day: dict[str, list[StoredRow]] = {}
        for row in _parse(block):
            by_day.setdefault(row.created_at[:10], []).append(row)
        days = sorted(by_day.items(), reverse=self._faults.rng.random() < 0.3)
        work = _Insert(token, days, loop.time() + deadline_s, self._life, loop.create_future())
        self._running += 1
        self._next_day(work, 0)
        return work.done

    def _next_day(self, work: _Insert, place: int) -> None:
        took_s = self._faults.rng.choice(DAY_S)
        if self._faults.strikes():
            took_s = self._faults.rng.choice(SLOW_DAY_S)
            self._faults.counts["insert slow"] += 1
        self._later(took_s, work, partial(self._write_token, work, place))

    def _write_token(self, work: _Insert, place: int) -> None:
        now_s = asyncio.get_running_loop().time()
        if now_s > work.ends_s or self._faults.strikes(0.3):
            self._faults.counts["insert ended between days" if place else "insert ended by the server"] += 1
            self._end(work, StoreUnavailable())
            return
        day, rows = work.days[place]
        written_s = self._tokens.get((work.token, day))
        if written_s is not None and now_s - written_s <= self._remembered_s:
            self._faults.counts["insert dropped by its token"] += 1
            self._day_done(work, place)
            return
        self._tokens[work.token, day] = now_s
        if not self.lone:
            self._show_rows(work, place, rows)
        elif self._faults.strikes(0.5):
            self._faults.counts["token burnt"] += 1
            self.kill()
            work.done.set_exception(StoreUnavailable())
            asyncio.get_running_loop().call_later(self._faults.rng.choice((0.5, 5.0, 50.0)), self.start, context=SERVER)
        else:
            self._later(RENAME_S, work, partial(self._show_rows, work, place, rows))

    def _show_rows(self, work: _Insert, place: int, rows: Sequence[StoredRow]) -> None:
        now_s = asyncio.get_running_loop().time()
        for row in rows:
            self._rows.setdefault(row.partition, []).append((now_s, row.created_at[:10], row.offset))
        self._witness.stored(work.token, rows)
        self._day_done(work, place)

    def _day_done(self, work: _Insert, place: int) -> None:
        if place + 1 < len(work.days):
            self._next_day(work, place + 1)
        else:
            self._end(work, None)

    def _end(self, work: _Insert, error: StoreUnavailable | None) -> None:
        self._running -= 1
        if error is None:
            work.done.set_result(None)
        else:
            work.done.set_exception(error)

    def _later(self, seconds: float, work: _Insert, step: Callable[[], None]) -> None:
        def take() -> None:
            if work.life == self._life:
                step()
            elif not work.done.done():  # the connection ends with the server
                work.done.set_exception(StoreUnavailable())

        asyncio.get_running_loop().call_later(seconds, take, context=SERVER)


class StoreClient:
    """A BlockStore: one host's client of the store. `synchronizes`: before a read that decides what was stored."""

    synchronizes = True

    def __init__(self, store: Store, host: Host, witness: Witness) -> None:
        self._store = store
        self._host = host
        self._witness = witness

    async def insert(self, block: bytes, token: str, *, deadline_s: float) -> None:
        if not self._host.dead:
            self._witness.sent(token, block)
        await self._store.wire.ask(
            self._host,
            lambda: self._store.insert(block, token, deadline_s),
            kind="insert",
            patience_s=deadline_s,
            times=2.0,
        )

    async def stored_days(self, log_id: int, partition: int, from_offset: int) -> Sequence[StoredDay]:
        assert log_id == LOG_ID
        held: Sequence[StoredDay] = await self._store.wire.ask(
            self._host,
            lambda: self._store.stored_days(partition, from_offset, synchronized=self.synchronizes),
            kind="question to the store",
            patience_s=60.0,
        )
        return held

    async def tokens_may_lack_rows(self) -> bool:
        lone: bool = await self._store.wire.ask(self._host, lambda: True, kind="question to the store", patience_s=3.0)
        return lone

    async def set_asides(self, log_id: int, partition: int) -> Sequence[SetAside]:
        assert log_id == LOG_ID
        decided: Sequence[SetAside] = await self._store.wire.ask(
            self._host, lambda: list(self._store.set_asides[partition]), kind="question to the store", patience_s=3.0
        )
        return decided

    async def stored_events(self) -> KnownEvents | None:
        events: KnownEvents = await self._store.wire.ask(
            self._host, lambda: known_events(REGISTRY), kind="question to the store", patience_s=3.0
        )
        return events

    async def write_set_aside(self, log_id: int, partition: int, decision: SetAside) -> None:
        assert log_id == LOG_ID
        await self._store.wire.ask(
            self._host,
            lambda: self._store.set_asides[partition].append(decision),
            kind="decision",
            patience_s=3.0,
            times=2.0,
        )

    async def log_id(self, log_name: str, *, synchronized: bool = True) -> int | None:  # noqa: ARG002 - the signature is the protocol's
        log_id: int = await self._store.wire.ask(
            self._host, lambda: LOG_ID, kind="question to the store", patience_s=3.0
        )
        return log_id

    async def purge_history(self, log_id: int) -> PurgeHistory:
        assert log_id == LOG_ID
        nothing_was: PurgeHistory = await self._store.wire.ask(
            self._host, PurgeHistory, kind="question to the store", patience_s=3.0
        )
        return nothing_was

    async def ping_insert(self) -> None:
        raise NotImplementedError("no worker asks")


def _parse(block: bytes) -> list[StoredRow]:
    rows = [
        StoredRow(
            match["viewer"].decode(),
            match["event"].decode(),
            int(match["count"]),
            f"{match['day'].decode()} {match['time'].decode()}",
            int(match["partition"]),
            int(match["offset"]),
        )
        for match in _ROW.finditer(block)
    ]
    if len(rows) != block.count(b"\n"):
        raise StoreRefused(27)
    return rows
