"""A workload's plan: its figures with what bounds them, the settings to type, and where it leaves what was measured.
Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from siddes_telemetry.backends.kafka.topic_settings import LOG_RETENTION_MS, SAFE_REPLICAS
from siddes_telemetry.cli.capacity import formulas, measured
from siddes_telemetry.cli.capacity.formulas import DEFAULT_PARTITIONS, LEAST_PROCESSES, MAX_PARTITIONS, WINDOW_BATCHES_S
from siddes_telemetry.cli.capacity.plan import BYTES, Figure, Plan
from siddes_telemetry.cli.capacity.workload import DAY_S, Workload
from siddes_telemetry.cli.sizes import number_text, size_text
from siddes_telemetry.schemas.timestamps import DAY_MS

WORKERS_A_MACHINE = 8  # half of a core each: they leave the rest of a usual machine to others
COUNT, PER_S, CORES, ROWS = "", "a second", "cores", "rows"


def make_plan(load: Workload) -> Plan:
    """Everything about this workload."""
    enough, why = _embedded(load)
    return Plan(load, enough, why, tuple(_settings(load)), tuple(_figures(load)), tuple(_warnings(load)))


def _embedded(load: Workload) -> tuple[bool, str]:
    """Whether embedded mode is enough, and a sentence that says why."""
    batches = f"{number_text(load.batches_s)} batches a second"
    limit = number_text(WINDOW_BATCHES_S)
    if load.batches_s > WINDOW_BATCHES_S:
        return False, (
            f"Embedded mode is not enough: {batches}, and the retries of no more than {limit} are remembered for ten "
            "minutes in its one partition."
        )
    verb = "is" if formulas.rows_kept(load) <= measured.MOST_ROWS else "should be"  # nobody has looked
    cores = number_text(formulas.embedded_cores(load))
    memory, disk = size_text(formulas.embedded_bytes(load)), size_text(formulas.embedded_disk_bytes(load))
    return True, (
        f"Embedded mode {verb} enough, if one process is available enough: {batches} (its one partition remembers the "
        f"retries of {limit} for ten minutes), {cores} cores, {memory} of memory, {disk} of disk."
    )


def _figures(load: Workload) -> Iterator[Figure]:
    window = (
        f"{number_text(WINDOW_BATCHES_S)} batches/s a partition for the retry window; {DEFAULT_PARTITIONS} at least"
    )
    replicas, a_day = SAFE_REPLICAS, load.batches_s * DAY_S * formulas.batch_log_bytes(load)
    yield Figure("batches", load.batches_s, PER_S, "events / events a batch")
    yield Figure("rows", load.rows_s, PER_S, f"{load.rows_per_batch} a batch: one for each different event of it")
    yield Figure("partitions", formulas.partitions(load), COUNT, window)
    yield Figure("gateway processes", formulas.gateways(load), COUNT, "half of a core each; 2 at least")
    yield Figure("gateway cores", formulas.gateway_cores(load), CORES, _gateway_bound(load))
    yield Figure("gateway memory", formulas.gateway_bytes(), BYTES, "each, with caches, connections and queues full")
    yield Figure("consumers", formulas.consumers(load), COUNT, "half of a core each; 2 at least")
    yield Figure("consumer cores", formulas.consumer_cores(load), CORES, "a record and its key, and each row")
    yield Figure("consumer memory", formulas.consumer_bytes(load), BYTES, "each, when one has ended: blocks and keys")
    yield Figure("broker cores", formulas.broker_cores(load), CORES, f"all brokers: {replicas} appends a batch")
    yield Figure("log a day", a_day, BYTES, "one copy, one batch a record")
    yield Figure(
        "log disk", formulas.log_bytes(load), BYTES, f"one copy, {number_text(formulas.log_days(load))} days at most"
    )
    yield Figure("log disk, all copies", formulas.log_bytes(load) * replicas, BYTES, f"{replicas} replicas")
    yield Figure("blocks", formulas.blocks_s(load), PER_S, "one a partition and second, each a part to merge")
    yield Figure("store cores", formulas.store_cores(load), CORES, "each replica: inserts and merges, no summaries")
    yield Figure("rows a viewer and day", load.rows_a_viewer, ROWS, "with every viewer active each day")
    yield Figure("bytes a row", formulas.row_bytes(load), BYTES, "time, offset, a viewer's id over its rows")
    yield Figure("rows kept", formulas.rows_kept(load), ROWS, f"{load.retention_days} days")
    yield Figure("store disk", formulas.store_bytes(load), BYTES, "each replica; 2 days more for expiry and a merge")
    yield Figure(
        "primary key memory", formulas.primary_key_bytes(load), BYTES, "each replica: one entry for 2,048 rows"
    )
    yield Figure("store memory", formulas.store_memory_bytes(load), BYTES, "each replica: keys and marks of all days")


def _gateway_bound(load: Workload) -> str:
    if load.viewers > measured.REMEMBERED_TOKENS:
        return f"each token verified anew: a process remembers {measured.REMEMBERED_TOKENS:,}"
    return f"tokens remembered: up to {measured.REMEMBERED_TOKENS:,} a process"


def _settings(load: Workload) -> Iterator[str]:
    """What to type, and what `migrate` then sets by itself."""
    partitions, gateways = formulas.partitions(load), formulas.gateways(load)
    machines = max(LEAST_PROCESSES, ceil(gateways / WORKERS_A_MACHINE))
    workers, retention_ms = ceil(gateways / machines), min(LOG_RETENTION_MS, load.retention_days * DAY_MS)
    yield f"SIDDES_TELEMETRY_PARTITIONS={min(MAX_PARTITIONS, partitions)}"
    yield f"SIDDES_TELEMETRY_REPLICATION={SAFE_REPLICAS}"
    yield f"SIDDES_TELEMETRY_RETENTION_DAYS={load.retention_days}"
    yield f"siddes-telemetry migrate                # it sets the topic's retention.ms={retention_ms} too"
    yield f"siddes-telemetry gateway --workers {workers}    # on each of {machines} machines"
    yield f"siddes-telemetry consumer               # {formulas.consumers(load)} of them"
    yield f"siddes-telemetry summary                # {LEAST_PROCESSES} of them"


def _warnings(load: Workload) -> Iterator[str]:
    partitions, blocks_s, rows = formulas.partitions(load), formulas.blocks_s(load), formulas.rows_kept(load)
    if partitions > MAX_PARTITIONS:
        least = ceil(load.events_per_second / (MAX_PARTITIONS * WINDOW_BATCHES_S))
        yield (
            f"PARTITIONS may be {MAX_PARTITIONS:,} at most: send {least:,} events a batch or more, or late retries "
            "count twice"
        )
    elif partitions > measured.MOST_PARTITIONS:
        yield f"{partitions} partitions are more than the {measured.MOST_PARTITIONS} that were measured"
    if blocks_s > measured.MOST_BLOCKS_S:
        yield (
            f"{number_text(blocks_s)} blocks a second are more than the {measured.MOST_BLOCKS_S} that one server was "
            "measured with; shards do not help, because each block has rows of all of them: send larger batches"
        )
    if load.batches_s > measured.MOST_BATCHES_S:
        yield f"the largest rate that was run as a whole is {measured.MOST_BATCHES_S:,} batches a second: extrapolated"
    if load.viewers > measured.MOST_VIEWERS:
        yield f"the most viewers of a day that were measured are {measured.MOST_VIEWERS:,}: extrapolated"
    if rows > measured.MOST_ROWS:
        yield f"summaries were measured with up to {measured.MOST_ROWS:,} rows; these are {number_text(rows)}"
