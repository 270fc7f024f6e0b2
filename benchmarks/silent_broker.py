"""One of three brokers falls silent: how long the gateway answers 503, and when the consumers store again.

    python -m benchmarks.silent_broker [--freeze S,S] [--session S,S] [--role ROLE,ROLE] [--keep FOLDER]

A gateway, two consumers and ClickHouse, with small batches for every partition. One broker is stopped by SIGSTOP, which
closes no connection, and continues later. What matters is counted from the moment when the other brokers say that it
leads nothing any more: until then Kafka itself has nobody who could take a record. Prints Markdown.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from benchmarks.freeze import PARTITIONS, Figures, Freeze, Role, chosen
from benchmarks.rounds import Comparison, at_most
from benchmarks.suite import Bench
from benchmarks.tools.clickhouse import local_clickhouse
from tests.infrastructure.databases import own_database
from tests.infrastructure.downloads import kafka_jars
from tests.infrastructure.fetching import cache_folder
from tests.infrastructure.kafka_cluster import KAFKAS_SESSION_S, LocalKafkaCluster
from tests.product.deployments import cluster

FREEZE_S = 30.0  # so that what ends before the broker returns did not wait for it
MOST_ROUNDS = 2  # a freeze takes a minute and a half with all that belongs to it

HOW = (
    "Three brokers, a gateway, two consumers and ClickHouse; a batch for each partition ten times a second. One broker "
    f"is stopped by SIGSTOP for {FREEZE_S:.0f} s, with Kafka's default session time-out of {KAFKAS_SESSION_S:.0f} s, "
    "once for each role that it may have. Seconds from the moment when the other brokers know that it leads nothing."
)


COLUMNS = (
    "silent broker",
    "session, s",
    "frozen, s",
    "leaders moved after, s",
    "s with 503: its partitions / others",
    "last 503 after the move, s",
    "stored again after the move, s",
    "s with 503 after its return",
    "longest gap in storing after its return, s",
)


def run(bench: Bench) -> Sequence[Comparison]:
    """Every role, up to MOST_ROUNDS times."""
    rounds = min(bench.rounds, MOST_ROUNDS)
    say = bench.progress("silent broker")
    found: dict[Role, list[Figures]] = {role: [] for role in Role}
    with bench.folder("silent") as folder, _servers(bench.cache, folder, KAFKAS_SESSION_S) as (kafka, clickhouse):
        for number, role in itertools.product(range(rounds), Role):
            say(f"round {number + 1} of {rounds}: {role}")
            found[role].append(_frozen(kafka, clickhouse, bench.made(folder / f"{number}-{role}"), role, FREEZE_S))
    comparisons = []
    for role, figures in found.items():
        note = (
            f"leaders moved {median(each.moved_s for each in figures):.1f} s after the broker fell silent; 503 in "
            f"{median(each.refused_s[0] for each in figures):.0f} s of its partitions, in "
            f"{median(each.refused_s[1] for each in figures):.0f} s of the others; after its return 503 in "
            f"{median(each.thawed_refused_s for each in figures):.0f} s, and nothing stored of some partition for "
            f"{median(each.thawed_gap_s for each in figures):.1f} s."
        )
        comparisons += [
            Comparison(
                f"silent {role}: last 503 after the leaders' move",
                "s",
                [each.last_503_s for each in figures],
                at_most(3),
                note=note,
            ),
            Comparison(
                f"silent {role}: every partition stored again after it",
                "s",
                [each.stored_s for each in figures],
                at_most(10),
            ),
        ]
    return comparisons


@contextmanager
def _servers(cache: Path, folder: Path, session_s: float) -> Iterator[tuple[LocalKafkaCluster, str]]:
    """Three brokers, and the URL of a ClickHouse."""
    (folder / "kafka").mkdir(parents=True)
    with (
        LocalKafkaCluster(jars=kafka_jars(cache), folder=folder / "kafka", session_s=session_s) as kafka,
        local_clickhouse(cache, folder / "clickhouse") as clickhouse,
    ):
        yield kafka, clickhouse.url


def _frozen(kafka: LocalKafkaCluster, clickhouse: str, folder: Path, role: Role, freeze_s: float) -> Figures:
    """The figures of one freeze, on a deployment of its own. The brokers are whole again afterwards."""
    broker, group = chosen(kafka, role)
    own = {"GROUP": group, "PARTITIONS": str(PARTITIONS), "REPLICATION": "3"}
    with (
        own_database(clickhouse) as database,
        cluster(kafka.bootstrap, database, folder, consumers=2, gateways=1, **own) as deployment,
    ):
        try:
            return asyncio.run(Freeze(kafka, deployment, database, broker, role).measured(freeze_s))
        finally:
            kafka.heal()


def _numbers(text: str) -> list[float]:
    return [float(each) for each in text.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--freeze", type=_numbers, default=[20.0, 40.0, 120.0], metavar="S,S")
    parser.add_argument("--session", type=_numbers, default=[KAFKAS_SESSION_S], metavar="S,S")
    parser.add_argument("--role", type=lambda text: [Role(each) for each in text.split(",")], default=list(Role))
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the logs of all processes there")
    given = parser.parse_args()
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        place = given.keep or Path(temporary)
        for session_s in given.session:
            with _servers(cache_folder(os.environ), place / f"{session_s:g}", session_s) as (kafka, clickhouse):
                for freeze_s, role in itertools.product(given.freeze, given.role):
                    folder = place / f"{session_s:g}-{freeze_s:g}-{role}"
                    folder.mkdir()
                    print(_frozen(kafka, clickhouse, folder, role, freeze_s).line(), flush=True)


if __name__ == "__main__":
    main()
