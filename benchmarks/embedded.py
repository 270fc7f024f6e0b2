"""`siddes-telemetry up`, everything in one process, against the bare handler that syncs a file once a group.

Ours does its whole work: authentication, validation, metrics, an append to SQLite, fsynced before the answer. And
beside it, in the same process and on the same core, the consumer reads the records back, and the ClickHouse engine
stores them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks.cores import MEASURED, on
from benchmarks.load.files import singles
from benchmarks.load.wrk import Wrk
from benchmarks.peers.started import peer
from benchmarks.rounds import Comparison, Contender, alternate, at_least
from benchmarks.suite import Bench
from tests.product.deployments import embedded
from tests.product.process import COMMAND

CONNECTIONS = 64
OURS, THEIRS = "up", "bare handler, fdatasync a group"
HOW = (
    "The process under test has one core for all of its threads. Ours runs the gateway, SQLite, the consumer and the "
    "ClickHouse engine on it, and stores accepted counts meanwhile. The load (wrk, one thread) has the other core. "
    "Both write to the same disk. Every round measures both, in alternating order."
)


def run(bench: Bench) -> Sequence[Comparison]:
    """Single events a second, each answered when it is on the disk."""
    wrk = Wrk.fetched(bench.cache)
    with bench.folder("embedded") as folder, _running(folder) as urls:
        requests = singles(folder / "singles.txt")

        def rate(who: str, seconds: float = bench.seconds) -> float:
            return wrk.rate(urls[who], requests, connections=CONNECTIONS, seconds=seconds)

        for who in urls:
            rate(who, seconds=1)  # caches, connections, compilers
        contenders = [Contender(who, partial(rate, who)) for who in urls]
        found = alternate(contenders, bench.rounds, bench.progress(f"{CONNECTIONS} connections"))
    what = f"single events on the disk and answered, {CONNECTIONS} connections"
    return [Comparison(what, "/s", found[OURS], at_least(0.7), THEIRS, found[THEIRS])]


@contextmanager
def _running(folder: Path) -> Iterator[dict[str, str]]:
    """Both; their URLs."""
    never_exceeded = "1000000"
    with (
        embedded(folder, command=on(MEASURED, *COMMAND), RATE=never_exceeded) as deployment,
        peer("fsync_handler", str(folder / "peer.log"), folder=folder) as url,
    ):
        yield {OURS: deployment.write_url, THEIRS: url}
