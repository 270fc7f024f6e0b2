"""docs/capacity.md says what `plan` computes, and its constants are those that were measured.

`GOLDEN=write pytest tests/golden/test_capacity.py` writes the tables anew: review the diff.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import product
from math import exp
from pathlib import Path

import pytest

from siddes_telemetry.cli.capacity import formulas, measured
from siddes_telemetry.cli.capacity.advice import make_plan
from siddes_telemetry.cli.capacity.workload import Workload
from siddes_telemetry.cli.commands.plan_table import amount
from siddes_telemetry.consumer.retry_window.window import MAX_KEYS

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs/capacity.md"
RESULTS = ROOT / "benchmarks/results"
RATES = (1_000, 10_000, 50_000, 500_000)
VIEWERS = {1_000: 100_000, 10_000: 1_000_000, 50_000: 5_000_000, 500_000: 50_000_000}
MANY_VIEWERS = (100_000, 1_000_000, 10_000_000, 50_000_000)
ROWS = 10_000_000  # of the disk suite


def by_rate(events_per_batch: int) -> str:
    """Every figure of a plan, for each rate."""
    plans = [make_plan(Workload(rate, VIEWERS[rate], 30, events_per_batch, min(7, events_per_batch))) for rate in RATES]
    head = ["events a second", *(f"{rate:,}" for rate in RATES)]
    lines = [head, ["---"] * len(head), ["viewers", *(f"{VIEWERS[rate]:,}" for rate in RATES)]]
    for number, figure in enumerate(plans[0].figures):
        lines.append([figure.name, *(amount(plan.figures[number]) for plan in plans)])
    lines.append(["embedded mode", *("is enough" if plan.embedded_is_enough else "is not enough" for plan in plans)])
    return table(lines)


def by_viewers() -> str:
    """What viewers change, at a low rate and at a high one."""
    names = ("rows a viewer and day", "bytes a row", "store disk", "gateway cores")
    head = ["events a second", "viewers", *names, "store disk with pseudonyms"]
    lines = [head, ["---"] * len(head)]
    for rate, viewers in product((1_000, 50_000), MANY_VIEWERS):
        load = Workload(rate, viewers, 30, 2, 2)
        plain = {each.name: each for each in make_plan(load).figures}
        named = {each.name: each for each in make_plan(replace(load, pseudonyms=True)).figures}
        figures = [amount(plain[name]) for name in names]
        lines.append([f"{rate:,}", f"{viewers:,}", *figures, amount(named["store disk"])])
    return table(lines)


def constants() -> str:
    """Every measured number, with the comment that says where it is from."""
    source = Path(measured.__file__).read_text()
    lines = [["constant", "value", "from"], ["---"] * 3]
    comment = ""
    for line in source.splitlines():
        if line.startswith("# "):
            comment = line.removeprefix("# ")
        elif found := re.match(r"([A-Z_]+) = .*?(?:  # (.*))?$", line):
            value = getattr(measured, found[1])
            lines.append([f"`{found[1]}`", f"{value:,.10g}", "; ".join(filter(None, (found[2], comment)))])
    return table(lines)


def table(lines: list[list[str]]) -> str:
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


BLOCKS: Mapping[str, Callable[[], str]] = {
    "batches of 2": lambda: by_rate(2),
    "batches of 20": lambda: by_rate(20),
    "viewers": by_viewers,
    "constants": constants,
}


@pytest.mark.parametrize("name", BLOCKS)
def test_a_table_is_what_plan_computes(name: str) -> None:
    block = re.compile(rf"(<!-- begin {name} -->\n)(.*?)(<!-- end {name} -->)", re.DOTALL)
    text = DOCUMENT.read_text()
    expected = BLOCKS[name]()
    assert len(block.findall(text)) == 1
    if os.environ.get("GOLDEN") == "write":
        text = block.sub(lambda found: f"{found[1]}{expected}{found[3]}", text)
        DOCUMENT.write_text(text)
    found = block.search(text)
    assert found is not None
    assert found[2] == expected, "stale: GOLDEN=write pytest tests/golden/test_capacity.py"


def results(suite: str) -> Mapping[str, float]:
    """What a suite measured, by what."""
    kept = json.loads((RESULTS / f"{suite}.json").read_text())
    return {each["what"]: each["ours"][0] for each in kept["comparisons"]}


def assert_close(said: float, seen: float, *, over: float, under: float) -> None:
    """A plan says no less than was seen, but for `under`; and not much more, `over`."""
    assert seen * (1 - under) <= said <= seen * (1 + over), (said, seen)


def test_bytes_a_row_are_those_of_the_disk_suite() -> None:
    kind = re.compile(r"store, bytes a row: (\d+) rows a viewer and day, (\d) a batch(, one batch a record)?, (\w+)")
    found = [(kind.fullmatch(what), seen) for what, seen in results("disk").items()]
    matches = [(match, seen) for match, seen in found if match]
    assert len(matches) == 15
    for match, seen in matches:
        rows_a_viewer, rows_a_batch = int(match[1]), int(match[2])
        records = ROWS / rows_a_batch / (1 if match[3] else 20) / 8
        drawn = rows_a_viewer / rows_a_batch  # batches of a viewer, on average; some viewers are not drawn at all
        active = rows_a_viewer / (1 - exp(-drawn))
        load = Workload(1, 1, 1, 1, 1, pseudonyms=match[4] == "pseudonyms")
        assert_close(formulas.stored_row_bytes(load, records, active), seen, over=0.2, under=0.03)


def test_memory_of_keys_and_marks_is_that_of_the_disk_suite() -> None:
    for what, seen in results("disk").items():
        entry = measured.KEY_ENTRY_PSEUDONYM_BYTES if what.endswith("pseudonyms") else measured.KEY_ENTRY_BYTES
        if what.startswith("store, primary key"):
            assert_close(entry / measured.GRANULE_ROWS * 1000, seen, over=0.1, under=0.01)
        elif what.startswith("store, marks"):
            assert_close(measured.MARK_BYTES * 1000, seen, over=0.3, under=0.01)


def test_bytes_a_batch_are_those_of_the_disk_suite() -> None:
    kind = re.compile(r"log, bytes a batch: (\d) rows, 1 batches a record, (\w+)")
    matches = [(match, seen) for what, seen in results("disk").items() if (match := kind.fullmatch(what))]
    assert len(matches) == 6
    for match, seen in matches:
        load = Workload(1, 1, 1, 5, int(match[1]), pseudonyms=match[2] == "pseudonyms")
        assert_close(formulas.batch_log_bytes(load), seen, over=0.03, under=0.01)


def test_processor_time_is_that_of_the_costs_suite() -> None:
    seen = results("costs")
    for events in (1, 10, 100):
        for viewers in (1_000, 100_000):
            what = f"{events} event{'s' if events > 1 else ''} a batch, {viewers:,} viewers"
            a_batch = formulas.gateway_batch_us(Workload(events, viewers, 1, events, 1))
            assert_close(a_batch, seen[f"gateway, a batch: {what}"], over=0.1, under=0.05)
    of_one_row = measured.CONSUMER_BATCH_US + measured.CONSUMER_ROW_US
    assert_close(of_one_row, seen["consumer, a row: batches of 1, 1 a record"], over=0.1, under=0.05)
    assert_close(
        measured.BROKER_BATCH_US, seen["broker, a batch: 1 event a batch, 1,000 viewers"], over=0.1, under=0.05
    )
    assert_close(measured.STORE_ROW_US, seen["store, a row: batches of 5, 20 a record"], over=0.1, under=0.05)
    assert_close(measured.STORE_BLOCK_US / 1000, seen["store, a block of 10 rows, merged"], over=0.1, under=0.05)


def test_memory_is_that_of_the_costs_suite() -> None:
    seen = results("costs")
    at_rest = seen["gateway, resident at rest"]
    assert_close(measured.SERVICE_MB, at_rest, over=0.1, under=0.05)
    crowd = (seen["gateway, resident with 10,000 connections"] - at_rest) * 1e6 / 10_000
    assert_close(measured.CONNECTION_BYTES, crowd, over=0.1, under=0.05)
    for partitions in (1, 8, 32):
        for ids, keys in (("without", 0), ("with", 1_500_000 // partitions)):
            peak = seen[f"consumer, peak: {partitions} partition{'s' if partitions > 1 else ''}, {ids} batch ids"]
            said = formulas.drain_bytes(partitions, min(keys, MAX_KEYS)) / 1e6
            assert_close(said, peak, over=1.3, under=0.05)
