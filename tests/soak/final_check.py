"""The end of a soak run: what clients know against what is stored, and `verify`. Every difference is a sentence."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from tests.faults.final_check import assert_verify_agrees, differences
from tests.faults.store_contents import bounds, read_topic
from tests.product.load import Sums
from tests.soak.cluster import SoakCluster
from tests.soak.log_lines import errors, said_in

VERIFY_S = 900.0

Check = Callable[[], Awaitable[str]]


class FromSummaries:
    """The sums that the summary service shows."""

    def __init__(self, cluster: SoakCluster) -> None:
        self._cluster = cluster

    async def counts(self, viewer: str) -> dict[str, int]:
        """By event."""
        found = await self._cluster.readers.counts(self._cluster.session, viewer)
        assert found is not None, "a summary was not answered"
        return found


class FinalCheck:
    """Adds to the cluster's failures what differs. Nothing is posted any more.

    `all_expired`: the run was long enough for the store and the log to have dropped the old counts.
    """

    def __init__(self, cluster: SoakCluster, say: Callable[[str], None], *, all_expired: bool) -> None:
        self._cluster = cluster
        self._say = say
        self._all_expired = all_expired
        self.said: list[str] = []

    async def run(self) -> None:
        """Run every check, also after one that failed."""
        checks: Mapping[str, Check] = {
            "the brokers are in sync": self._healed,
            "everything is stored": self._drained,
            "sums by viewer, in the store": lambda: self._sums(self._cluster.sql),
            "sums by viewer, in the summaries": lambda: self._sums(FromSummaries(self._cluster)),
            "rows by record": self._records,
            "what expires": self._old,
            "verify": self._verify,
            "every service ends with 0": self._stopped,
            "warnings and errors of the services": self._log_lines,
        }
        for name, check in checks.items():
            try:
                self.said.append(f"{name}: {await check()}")
            except Exception as error:  # noqa: BLE001  # the run fails by it; what else is wrong is to be seen too
                self.said.append(f"{name}: no")
                self._cluster.failures.append(f"{name}: {error or type(error).__name__}")
            self._say(self.said[-1])

    async def _healed(self) -> str:
        await asyncio.to_thread(self._cluster.brokers.heal)
        return "yes"

    async def _drained(self) -> str:
        await self._cluster.drained()
        return "yes"

    async def _sums(self, sums: Sums) -> str:
        load = self._cluster.load
        lost, doubled = await load.difference(sums)
        assert (lost, doubled) == (0, 0), f"{lost} counts were lost, {doubled} counted twice"
        in_doubt = (load.singles_tried - load.singles_answered).total()
        return (
            f"{len(load.viewers)} viewers, {sum(each.total() for each in load.batched.values()):,} in batches, "
            f"{load.singles_answered.total():,} single ones, {in_doubt:,} in doubt: all within their bounds"
        )

    async def _old(self) -> str:
        cluster = self._cluster
        missing = await cluster.old.missing(cluster.sql, int(time.time() * 1000))
        assert missing == 0, f"{missing} old counts are missing that have not expired"
        ((left,),) = await cluster.sql.rows("SELECT count() FROM telemetry_counts WHERE viewer_id LIKE 'old-%'")
        first, _ = await bounds(cluster.brokers.bootstrap, cluster.topic)
        if self._all_expired:
            assert left == 0, f"{left} rows that have expired are still in the store"
            assert all(first.values()), f"the log has not dropped the expired records of all partitions: {first}"
        return (
            f"of {len(cluster.old.created_ms):,} old rows {left:,} are left, and the log has dropped "
            f"{sum(first.values()):,} of its records"
        )

    async def _records(self) -> str:
        """Every record of the load against its rows, without the product."""
        cluster = self._cluster
        topic = await read_topic(cluster.brokers.bootstrap, cluster.topic, since=cluster.live_from)
        stored = await cluster.sql.by_record(await cluster.sql.log_id(cluster.topic))
        logged = {place: amount for place, amount in topic.amounts.items() if amount[0]}
        found = {place: amount for place, amount in stored.items() if place[1] >= cluster.live_from[place[0]]}
        missing, surplus = differences(logged, found)
        assert (missing, surplus) == (0, 0), f"{missing} rows of the log are missing, {surplus} are too many"
        return f"{len(logged):,} records have left {sum(rows for rows, _ in found.values()):,} rows"

    async def _verify(self) -> str:
        report = await asyncio.to_thread(assert_verify_agrees, self._cluster.deployment, deadline_s=VERIFY_S)
        compared, earlier = (sum(each[what] for each in report["partitions"]) for what in ("rows", "earlier_rows"))
        return (
            f"log and store agree: {compared:,} rows compared; {earlier:,} rows of records that the log has dropped, "
            "and of the ten minutes after these, cannot be"
        )

    async def _stopped(self) -> str:
        processes = self._cluster.deployment.processes
        statuses = await asyncio.gather(*(asyncio.to_thread(process.stop) for process in processes.values()))
        failed = {name: status for name, status in zip(processes, statuses, strict=True) if status}
        assert not failed, f"{failed}"
        return "yes"

    async def _log_lines(self) -> str:
        said = await asyncio.to_thread(said_in, self._cluster.deployment.folder)
        assert not errors(said), f"{', '.join(errors(said))}: see docs/operations.md"
        return ", ".join(f"{level} {event} {times} times" for (level, event), times in sorted(said.items())) or "none"
