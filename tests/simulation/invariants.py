"""The invariants: checked at every commit and insert that takes effect, and at the end of a schedule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from siddes_telemetry.backends.ports.log import Committed
from siddes_telemetry.consumer.intent import decode_state
from tests.simulation.broker import Broker
from tests.simulation.store import StoredRow
from tests.simulation.traffic import Place, Traffic

Range = tuple[int, int]


class Broken(AssertionError):
    """An invariant does not hold."""


class NoProgress(Broken):
    """Nothing wrong was stored, but not all that should be was stored in time."""


class Invariants:
    """Observes one schedule. It keeps the first violation, which it finds inside a server's callback, for `check`."""

    def __init__(self) -> None:
        self.breach: Broken | None = None
        self.sent_by_partition: Counter[int] = Counter()  # inserts
        self._stored: dict[Place, Counter[StoredRow]] = {}
        self._blocks: dict[str, set[bytes]] = {}  # by token: the rows of the largest block sent under it
        self._applied: dict[int, set[Range]] = {}  # by partition: the ranges whose rows took effect
        self._intents: dict[int, Range] = {}  # by partition: the last intent
        self._checked: dict[int, int] = {}  # by partition: all rows below were found
        self._excused: set[Place] = set()  # deleted from the log before they were stored: they may be missing

    def watch(self, broker: Broker, traffic: Traffic) -> None:
        self._broker = broker
        self._traffic = traffic

    # --- at every commit and insert ---

    def sent(self, token: str, block: bytes) -> None:
        """A block that is resent is the same one, or some days of it."""
        self.sent_by_partition[int(token.split(":")[3])] += 1
        rows = set(block.splitlines())
        first = self._blocks.setdefault(token.rsplit(":", 1)[0] if token.count(":") > 4 else token, rows)
        if not (first.issuperset(rows) or first.issubset(rows)):
            self._break("another block under the same range")
        first |= rows

    def stored(self, token: str, rows: Sequence[StoredRow]) -> None:
        """Rows are stored once, as the log says, and blocks never overlap."""
        _, _, _, number, ends, *_ = token.split(":")
        partition, (start, end) = int(number), map(int, ends.split("-"))
        applied = self._applied.setdefault(partition, set())
        if any(s < end and start < e and (s, e) != (start, end) for s, e in applied):
            self._break("two blocks overlap")
        applied.add((start, end))
        for row in rows:
            place = (row.partition, row.offset)
            if row.partition != partition or not start <= row.offset < end:
                self._break("a row outside its block's range")
            there = self._stored.setdefault(place, Counter())
            there[row] += 1
            allowed = self._traffic.with_repeats if place in self._excused else self._traffic.expected
            if there[row] > allowed.get(place, Counter())[row]:
                self._break("stored, and should not be")

    def committed(self, partition: int, before: Committed | None, now: Committed) -> None:
        """A commit of b means that everything below b is stored. Offsets and intents never decrease."""
        state = decode_state(now.offset, now.metadata)
        if before is not None and now.offset < before.offset:
            self._break("a commit went back")
        start, end = self._intents.get(partition, (0, 0))
        if state.intent_end is None:
            if now.offset < end:
                self._break("an intent was forgotten")
        else:
            intent = (now.offset, state.intent_end)
            if state.aside and intent != (start, end):
                if any(self._stored.get((partition, offset)) for offset in range(*intent)):
                    self._break("set aside, and stored before")
                self._traffic.set_aside(partition, *intent)
            if intent != (start, end) and now.offset < end:
                self._break("an intent was committed over another")
            self._intents[partition] = intent
        self._check_stored(partition, now.offset)

    def _check_stored(self, partition: int, below: int) -> None:
        """Everything below this offset is stored."""
        for offset in range(self._checked.get(partition, 0), below):
            place = (partition, offset)
            if place in self._excused:
                continue
            if self._stored.get(place, Counter()) != self._traffic.expected.get(place, Counter()):
                self._break("committed, and not stored")
            if place in self._traffic.broken and place not in self._broker.dead_letters:
                self._break("committed, and no dead letter")
        self._checked[partition] = max(below, self._checked.get(partition, 0))

    def _break(self, what: str) -> None:
        if self.breach is None:
            self.breach = Broken(what)

    def check(self) -> None:
        """Raise the first violation, if there is one."""
        if self.breach is not None:
            raise self.breach
        if self._broker.defects:
            raise self._broker.defects[0]

    # --- acts of an operator or the log ---

    def offsets_lost(self, partition: int) -> None:
        """The group's offset is set anew by hand, to one past the last stored row: ranges begin again there.

        Records without rows at the end of the last block come again, which is right: they give none again.
        """
        self._intents.pop(partition, None)
        self._applied.pop(partition, None)

    def excuse(self, partition: int, below: int) -> int:
        """The log drops the records below: those not committed by now may never be stored. Returns how many.

        Where one is stored nevertheless, it may be a repeat of a batch that went with it: nobody can tell any more.
        """
        committed = self._broker.offsets.get(partition)
        start = 0 if committed is None else committed.offset
        gone = {
            (number, offset)
            for number, offset in {*self._traffic.expected, *self._traffic.broken}
            if number == partition and start <= offset < below
        }
        self._excused |= gone
        return len(gone)

    # --- at the end ---

    def check_end(self) -> None:
        """The store holds exactly what the log says; dead letters are exactly the unreadable records."""
        for number, partition in enumerate(self._broker.partitions):
            self._check_stored(number, partition.next)
        if not set(self._broker.dead_letters) <= self._traffic.broken | self._traffic.once_broken:
            self._break("a dead letter that could be read")
        self.check()
