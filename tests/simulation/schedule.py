"""One run of consumers, broker and store. Its seed determines every step."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

from siddes_telemetry.backends.kafka import connection, owned_partition, rebalance
from siddes_telemetry.backends.ports.log import Committed
from siddes_telemetry.backends.ports.store import SetAside
from siddes_telemetry.consumer.batching import FlushPolicy
from siddes_telemetry.consumer.context import HaltedPartition
from siddes_telemetry.consumer.halt import ROWS_BEYOND
from siddes_telemetry.consumer.halt_reporter import HALT_RECHECK_S
from siddes_telemetry.consumer.intent import NO_INTENT, decode_state
from siddes_telemetry.consumer.offset_reset import fitting_offset
from siddes_telemetry.consumer.retry_window import start_search
from siddes_telemetry.schemas.record import HALT_REASONS
from tests.simulation.broker import Broker
from tests.simulation.driver import Driver
from tests.simulation.faults import Faults
from tests.simulation.hosts import SERVER, Host, HostLoop, current_host
from tests.simulation.invariants import Broken, Invariants, NoProgress
from tests.simulation.journal import Journal
from tests.simulation.process import Metrics, Process, make_metrics
from tests.simulation.store import Store
from tests.simulation.traffic import Traffic

STEPS = 40
MOST_PROCESSES = 3
MOST_PARTITIONS = 4
DRAIN_S = 3600.0  # of virtual time; a schedule that has not drained by then hangs
HALT_S = 60.0
FORGOTTEN = 0.05  # of the processes are started without EVENTS, until the schedule drains
POLL_S = 10.0  # how often a member checks its health: once a second would take most of a schedule's time
WAITS_S = (0.001, 0.01, 0.1, 0.1, 1.0, 1.0, 5.0, 40.0, 200.0)
PAUSES_S = (1.0, 12.0, 45.0, 61.0, 300.0)  # on both sides of the session time-out, the rebalance and the lease


class Schedule:
    """The schedule of one seed."""

    def __init__(self, seed: int, *, spare_metrics: list[Metrics] | None = None) -> None:
        self._rng = random.Random(seed)
        self.faults = Faults(self._rng)
        self._spare_metrics = [] if spare_metrics is None else spare_metrics
        self._processes: list[Process] = []
        self._leaving: list[Process] = []  # stopped, and not ended yet
        self._hosts: dict[str, Host] = {}

    async def run(self) -> None:
        """Raises Broken if an invariant does not hold, or the exception of a consumer."""
        rng, faults = self._rng, self.faults
        self._invariants = Invariants()
        self._broker = Broker(faults, self._invariants, rng.randint(1, 3), rng.choice((1, 3, 1000)))
        self._broker.after_intent_commit = self._freeze_after_intent_commit
        self._store = Store(faults, self._invariants)
        self._traffic = Traffic(rng, self._broker.partitions)
        self._journal = Journal(faults, lambda: self._traffic.now_ms)
        self._invariants.watch(self._broker, self._traffic)
        with ExitStack() as stack:
            stack.enter_context(patch.object(connection, "AIOKafkaConsumer", self._make_driver))
            stack.enter_context(patch.object(owned_partition, "LISTEN_MS", POLL_S * 1000))
            stack.enter_context(patch.object(rebalance, "CHECK_S", POLL_S))
            stack.enter_context(
                patch.multiple(start_search, MARGIN_OFFSETS=rng.choice((0, 1)), FIRST_STEP_OFFSETS=rng.choice((1, 3)))
            )
            self._start()
            self._start()
            actions, weights = zip(*self._actions().items(), strict=True)
            try:
                for act in rng.choices(actions, weights, k=STEPS):
                    await act() if asyncio.iscoroutinefunction(act) else act()
                    self._check()
                await self._drain()
                await self._leave()
                self._invariants.check_end()
                self._count("set aside", self._traffic.times_set_aside)
            finally:
                await self._abandon()

    def _actions(self) -> dict[Callable[[], Any], int]:
        return {
            self._append: 24,
            self._wait: 24,
            self._skip: 2,
            self._kill: 5,
            self._stop: 2,
            self._start: 5,
            self._freeze: 4,
            self._cut_off: 3,
            self._rebalance: 3,
            self._broker_outage: 1,
            self._store_outage: 2,
            self._add_partition: 1,
            self._trim: 1,
            self._lose_offsets: 1,
            self._set_aside: 4,
        }

    # --- acts ---

    def _append(self) -> None:
        for _ in range(self._rng.choice((1, 1, 3, 8))):
            self._traffic.append()

    async def _wait(self) -> None:
        await asyncio.sleep(self._rng.choice(WAITS_S))

    def _skip(self) -> None:
        self._count("offsets skipped")
        self._rng.choice(self._broker.partitions).skip(self._rng.randint(1, 3))

    def _start(self, *, newer: bool = False, right: bool = False) -> None:
        """`newer`: the newer of two versions. `right`: with the registry that the store was made for."""
        if len(self._processes) >= MOST_PROCESSES:
            return
        self._count("consumer started")
        policy = FlushPolicy(max_rows=self._rng.randint(1, 12), max_age_s=self._rng.choice((0.0, 0.3, 2.0)))
        host = Host(f"host-{len(self._hosts)}-{self._rng.randrange(1000)}")
        host.reads_all = newer or not self._traffic.two_versions or self._rng.random() < 0.5
        host.forgot_events = not (newer or right) and self._rng.random() < FORGOTTEN
        if host.forgot_events:
            self._count("events forgotten")
        self._hosts[host.name] = host
        metrics = self._spare_metrics.pop() if self._spare_metrics else make_metrics()
        self._processes.append(
            Process(
                host,
                self._broker,
                self._store,
                self._journal,
                witness=self._invariants,
                policy=policy,
                metrics=metrics,
            )
        )

    def _kill(self) -> None:
        if self._processes:
            self._count("consumer killed")
            process = self._take_one()
            process.kill()
            self._leaving.append(process)
            self._broker.group.silence_of(process.host.name)

    def _stop(self) -> None:
        if self._processes:
            self._count("consumer stopped")
            process = self._take_one()
            process.stop()
            self._leaving.append(process)

    def _freeze(self) -> None:
        standing = [process.host for process in self._processes if not process.host.frozen]
        if standing:
            self._freeze_host(self._rng.choice(standing))

    def _freeze_after_intent_commit(self, host: Host) -> None:
        if not host.frozen and not host.dead:
            self._count("stopped between intent commit and insert")
            self._freeze_host(host)

    def _freeze_host(self, host: Host) -> None:
        suspended = self._rng.random() < 0.5
        self._count("machine suspended" if suspended else "process stopped for a while")
        host.freeze()
        self._broker.group.silence_of(host.name)
        self._later(lambda: self._thaw(host, suspended=suspended))

    def _thaw(self, host: Host, *, suspended: bool) -> None:
        if host.frozen:
            host.thaw(suspended=suspended)
            self._broker.heard_again()

    def _cut_off(self) -> None:
        connected = [process.host for process in self._processes if not process.host.cut_off]
        if connected:
            host = self._rng.choice(connected)
            self._count("network cut")
            host.cut_off = True
            self._broker.group.silence_of(host.name)
            self._later(lambda: self._mend(host))

    def _mend(self, host: Host) -> None:
        if host.cut_off:
            host.cut_off = False
            waiting, host.waiting = host.waiting, []
            for arrive in waiting:
                arrive()
            self._broker.heard_again()

    def _rebalance(self) -> None:
        self._broker.group.rebalance()

    def _broker_outage(self) -> None:
        self._count("broker away")
        self._broker.up = False
        self._later(self._broker_back)

    def _broker_back(self) -> None:
        self._broker.up = True
        self._broker.heard_again()

    def _store_outage(self) -> None:
        self._store.kill()
        self._later(self._store.start)

    def _add_partition(self) -> None:
        if len(self._broker.partitions) < MOST_PARTITIONS:
            self._count("partition added")
            self._broker.add_partition()
            self._later(self._broker.group.rebalance)

    def _trim(self) -> None:
        """The log's start moves to its end. No later record is a retry of a deleted one."""
        number = self._rng.randrange(len(self._broker.partitions))
        partition = self._broker.partitions[number]
        self._count("log trimmed")
        self._count("records trimmed before they were stored", self._invariants.excuse(number, partition.next))
        partition.trim(partition.next)
        self._traffic.let_pass(number)

    async def _lose_offsets(self) -> None:
        """All consumers leave, and the group's offsets are deleted. New ones halt until the operator resets them."""
        await self._drain()
        await self._leave()
        self._count("offsets deleted")
        self._broker.offsets.clear()
        for number in range(len(self._broker.partitions)):
            self._invariants.offsets_lost(number)
        for _ in range(5):
            self._traffic.append()
        self._start(newer=True)
        process = self._processes[-1]
        stored = [self._store.last_offset(number) for number in range(len(self._broker.partitions))]
        rows = any(last is not None for last in stored)
        fitting = {
            number: fitting_offset(None, first=each.first, end=each.next, last_stored=last, log_has_rows=rows)
            for number, (each, last) in enumerate(zip(self._broker.partitions, stored, strict=True))
        }
        damaged = {number: offset for number, offset in fitting.items() if offset is not None}
        await self._until(lambda: all(process.ctx.blocked_by.get(n) == ROWS_BEYOND.reason for n in damaged))
        sent = Counter(self._invariants.sent_by_partition)
        await asyncio.sleep(HALT_S)
        for number, offset in damaged.items():
            if self._invariants.sent_by_partition[number] != sent[number]:
                raise Broken("the group's offsets are gone, and something was inserted")
            self._broker.offsets[number] = Committed(offset, NO_INTENT)
        await self._until(self._drained)
        self.faults.calm = False

    def _set_aside(self) -> None:
        """An operator sets aside a record at which a partition waits. The request may take a while to arrive."""
        halts = [
            halt
            for process in self._processes
            for halt in process.consumer.halted_partitions()
            if self._may_set_aside(halt)
        ]
        if halts:
            halt = self._rng.choice(halts)
            decided = self._store.set_asides[halt.partition]
            self._count("asked to set aside")
            asyncio.get_running_loop().call_later(
                self._rng.choice(WAITS_S), lambda: decided.append(SetAside(halt.offset)), context=SERVER
            )

    def _may_set_aside(self, halt: HaltedPartition) -> bool:
        """The place as the command computes it, from the group's offset."""
        committed = self._broker.offsets.get(halt.partition, Committed(0, NO_INTENT))
        state = decode_state(committed.offset, committed.metadata)
        return halt.reason in HALT_REASONS and state.offset <= halt.offset and (state.intent_end or 0) <= halt.offset

    def _retire_older(self) -> None:
        """The upgrade that the halt's remedy names."""
        self._count("upgraded")
        self._retire(lambda host: not host.reads_all)
        self._start(newer=True)

    def _retire(self, chosen: Callable[[Host], bool]) -> None:
        """Stop the processes of these hosts."""
        for process in [process for process in self._processes if chosen(process.host)]:
            self._processes.remove(process)
            process.stop()
            self._leaving.append(process)

    # --- the end ---

    async def _drain(self) -> None:
        """There are no more faults; in the end all is stored."""
        self.faults.calm = True
        self._broker_back()
        self._store.start()
        for host in self._hosts.values():
            self._mend(host)
            self._thaw(host, suspended=False)
        self._retire(lambda host: host.forgot_events)
        if not self._processes:
            self._start(right=True)
        if self._traffic.two_versions:
            await self._settle_halts()
        await self._until(self._drained)

    async def _settle_halts(self) -> None:
        """Operators set aside the records that they may, then upgrade."""
        for _ in range(self._rng.choice((0, 1, 5, 20))):
            await asyncio.sleep(HALT_RECHECK_S)
            self._check()
            self._set_aside()
        if any(process.consumer.halted_partitions() for process in self._processes) or self._rng.random() < 0.5:
            self._retire_older()
        elif not self._drained():
            await asyncio.sleep(HALT_S)
            self._retire_older()

    async def _until(self, condition: Callable[[], bool]) -> None:
        deadline_s = asyncio.get_running_loop().time() + DRAIN_S
        while not condition():
            if asyncio.get_running_loop().time() > deadline_s:
                raise NoProgress("nothing moved on in an hour")
            await asyncio.sleep(0.5)
            self._check()

    def _drained(self) -> bool:
        for number, partition in enumerate(self._broker.partitions):
            committed = self._broker.offsets.get(number)
            last = partition.records[-1].offset if partition.records else -1
            if committed is None:
                committed = Committed(0, NO_INTENT)
            if committed.metadata != NO_INTENT or committed.offset <= last:
                return False
        return True

    async def _leave(self) -> None:
        """All consumers stop, and their messages arrive or expire."""
        while self._processes:
            self._stop()
        for process in self._leaving:
            await asyncio.wait({process.task})
        await self._until(lambda: self._store.idle)
        self._check()

    async def _abandon(self) -> None:
        """Runs after a failure too: no task outlives the schedule."""
        for process in (*self._processes, *self._leaving):
            if process.host.frozen:
                process.host.thaw(suspended=False)
            process.kill()
            await asyncio.wait({process.task})
            if not process.task.cancelled():
                process.task.exception()
            self._spare_metrics.append(process.metrics)

    # --- between the acts ---

    def _check(self) -> None:
        self._invariants.check()
        for process in (*self._processes, *self._leaving):
            if process.task.done() and not process.host.dead:
                process.task.result()

    def _take_one(self) -> Process:
        return self._processes.pop(self._rng.randrange(len(self._processes)))

    def _later(self, act: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(self._rng.choice(PAUSES_S), act, context=SERVER)

    def _count(self, fault: str, times: int = 1) -> None:
        self.faults.counts[fault] += times

    def _make_driver(self, *, group_id: str | None = None, **_settings: object) -> Driver:
        return Driver(self._broker, current_host(), in_group=group_id is not None)


def run_schedule(schedule: Schedule) -> None:
    """Run it on a virtual clock. Raises the schedule's exceptions."""
    with asyncio.Runner(loop_factory=HostLoop) as runner:
        runner.run(schedule.run())
