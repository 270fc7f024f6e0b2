"""Embedded mode's backends: the SQLite log and the chDB store of one data folder."""

from __future__ import annotations

import random
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

from prometheus_client import CollectorRegistry

from siddes_telemetry.backends.clickhouse.engine import Engine
from siddes_telemetry.backends.clickhouse.frozen_store import StoreFreezer, remove_left_over
from siddes_telemetry.backends.ports.log import KeyJournal
from siddes_telemetry.backends.sqlite.file import check_intact
from siddes_telemetry.backends.sqlite.log import SqliteLog
from siddes_telemetry.cli.data_folder import DataFolder
from siddes_telemetry.cli.operations.migrate import embedded_log_name
from siddes_telemetry.cli.services.consuming import make_consumer
from siddes_telemetry.cli.settings import Settings, SettingsError
from siddes_telemetry.cli.store import Store, make_store
from siddes_telemetry.cli.store_schema import embedded_schema
from siddes_telemetry.cli.wall_clock import wall_clock_ms
from siddes_telemetry.consumer.batching import FlushPolicy
from siddes_telemetry.consumer.service import Consumer
from siddes_telemetry.schemas.ddl import MIN_DEDUPLICATION_WINDOW, PARTS_OF_OTHERS
from siddes_telemetry.schemas.registry import Registry

# One process and a small engine: a count is visible within 0.5 s, a few counts within 0.2 s.
# The one partition may insert as many parts as the smallest window leaves to it.
FLUSH_POLICY = FlushPolicy(max_age_s=0.4, few_rows=100, few_age_s=0.1, parts=MIN_DEDUPLICATION_WINDOW - PARTS_OF_OTHERS)
_CRASH_SIGNALS = ("ABRT", "BUS", "FPE", "ILL", "SEGV", "SYS", "TRAP")


@dataclass(frozen=True)
class EmbeddedInstance:
    """A data folder that this process has open."""

    folder: DataFolder
    log: SqliteLog
    engine: Engine
    store: Store
    freezer: StoreFreezer
    registry: Registry
    retention_days: int

    def keeping(self, retention_days: int) -> EmbeddedInstance:
        """The same instance with another retention: that of the settings applies only once `migrate` has run."""
        schema = embedded_schema(retention_days, self.registry)
        return replace(self, store=make_store(self.engine, schema), retention_days=retention_days)


@asynccontextmanager
async def open_embedded(settings: Settings, registry: Registry) -> AsyncIterator[EmbeddedInstance]:
    """Open the data folder, alone. Raises DataInUse, DataIncomplete, SettingsError, BackendError, OSError."""
    folder = DataFolder(settings.data)
    if problem := folder.problem():
        raise SettingsError([problem])
    try:  # here: chDB takes 300 MB and is not part of a cluster's installation
        from siddes_telemetry.backends.clickhouse.chdb_engine import ChdbEngine  # noqa: PLC0415  # as said
    except ModuleNotFoundError:
        other = ", or set SIDDES_TELEMETRY_CLICKHOUSE" if settings.clickhouse is None else ""  # an import has both
        raise SettingsError([f"a data folder needs chDB: install siddes-telemetry[embedded]{other}"]) from None
    except ImportError:
        raise SettingsError(
            ["chDB is installed but cannot be loaded: reinstall siddes-telemetry[embedded] for this machine"]
        ) from None
    async with AsyncExitStack() as stack:
        copied = stack.enter_context(folder.locked())
        folder.require_whole()
        if copied:
            check_intact(folder.log)
        remove_left_over(folder.store)
        log = SqliteLog(folder.log, clock_ms=wall_clock_ms, rng=random.Random())
        stack.push_async_callback(log.close)
        engine = ChdbEngine(folder.store)
        stack.push_async_callback(engine.close)
        _restore_crash_signals()
        schema = embedded_schema(settings.retention_days, registry)
        freezer = StoreFreezer(engine, engine.folder, schema)
        store = make_store(engine, schema)
        yield EmbeddedInstance(folder, log, engine, store, freezer, registry, settings.retention_days)


def embedded_consumer(instance: EmbeddedInstance, journal: KeyJournal, metrics: CollectorRegistry) -> Consumer:
    """The consumer of this instance's log into its store."""
    return make_consumer(
        instance.log.group_consumer(),
        instance.store.counts,
        instance.log.dead_letters,
        journal,
        instance.registry,
        log_name=embedded_log_name(instance.log.log_id),
        policy=FLUSH_POLICY,
        metrics=metrics,
    )


def _restore_crash_signals() -> None:
    """Restore the default action of crash signals and of SIGTSTP. To be called in the main thread once chDB is open.

    chDB handles them by waiting for a thread that only a ClickHouse server has, so that the process would hang.
    """
    for name in (*_CRASH_SIGNALS, "TSTP"):
        signal.signal(signal.Signals[f"SIG{name}"], signal.SIG_DFL)
