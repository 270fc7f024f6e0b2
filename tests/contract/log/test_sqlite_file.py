"""The embedded log's own guarantees: its file, its durability, its one writer."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from siddes_telemetry.backends.journal_queue import JournalMetrics
from siddes_telemetry.backends.ports.errors import LogUnavailable, PartitionLost
from siddes_telemetry.backends.ports.log import OwnedPartition
from siddes_telemetry.backends.sqlite.file import FORMAT, LogFileRefused, connect
from siddes_telemetry.backends.sqlite.log import SqliteLog
from siddes_telemetry.backends.sqlite.reading_thread import Query, ReadingThread
from siddes_telemetry.schemas.record import LAST_APPENDED_MS, Defect
from tests.contract.log.backends import START_MS, TWO_DAYS_MS, ManualClock
from tests.contract.log.membership import everything_in, member, owning

DAY_MS = 24 * 3600 * 1000
NOW = ManualClock()


@asynccontextmanager
async def opened(
    path: Path, clock_ms: Callable[[], int] = NOW, random_bits: Callable[[int], int] = lambda _: 5
) -> AsyncIterator[SqliteLog]:
    log = SqliteLog(path, clock_ms=clock_ms, rng=random.Random(1), random_bits=random_bits)
    try:
        yield log
    finally:
        await log.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.sqlite"


async def values_in(log: SqliteLog) -> list[bytes]:
    async with owning(log.group_consumer()) as partition:
        return [record.value for record in await everything_in(partition)]


async def test_the_log_id_is_created_with_the_file_and_kept(path: Path) -> None:
    async with opened(path, random_bits=lambda bits: 2**bits - 1) as log:
        assert log.log_id == 2**32 - 1
    async with opened(path, random_bits=lambda _: 7) as log:
        assert log.log_id == 2**32 - 1


@pytest.mark.parametrize("fingerprint", ["none", "0123456789" * 6])
async def test_the_fingerprint_of_the_viewer_key_is_kept(path: Path, fingerprint: str) -> None:
    async with opened(path) as log:
        assert await log.key_fingerprint() is None
        await log.write_key_fingerprint("another")
        await log.write_key_fingerprint(fingerprint)
    async with opened(path, random_bits=lambda _: 7) as log:
        assert await log.key_fingerprint() == fingerprint
        assert log.log_id == 5


async def test_only_the_owner_can_access_the_file(tmp_path: Path) -> None:
    path = tmp_path / "made" / "log.sqlite"
    async with opened(path) as log:
        await log.append(0, b"x", ())
        assert path.parent.stat().st_mode & 0o777 == 0o700
        assert {file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {0o600}


@pytest.mark.parametrize("writing", [True, False])
async def test_every_connection_syncs_each_commit_and_overwrites_what_it_deletes(path: Path, writing: bool) -> None:
    async with opened(path):
        connection = connect(path, writing=writing)
        names = ["synchronous", "journal_mode", "secure_delete", "auto_vacuum"]
        assert [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names] == [2, "wal", 1, 2]
        connection.close()


async def test_a_reading_connection_cannot_write(path: Path) -> None:
    async with opened(path):
        connection = connect(path, writing=False)
        with pytest.raises(sqlite3.OperationalError):
            connection.execute("DELETE FROM records")
        connection.close()


async def test_a_file_that_is_no_database_is_refused_and_left_alone(path: Path) -> None:
    path.write_bytes(b"something of somebody else's" * 100)
    with pytest.raises(LogFileRefused):
        SqliteLog(path, clock_ms=NOW, rng=random.Random(1))
    assert path.read_bytes() == b"something of somebody else's" * 100


async def test_another_database_is_refused_and_left_alone(path: Path) -> None:
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE theirs (x)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(LogFileRefused):
        SqliteLog(path, clock_ms=NOW, rng=random.Random(1))
    assert path.read_bytes() == before


async def test_a_newer_format_is_refused_by_its_number(path: Path) -> None:
    async with opened(path):
        pass
    newer = sqlite3.connect(path)
    newer.execute("UPDATE meta SET value = ? WHERE name = 'format'", (FORMAT + 1,))
    newer.commit()
    newer.close()
    with pytest.raises(LogFileRefused, match=f"format {FORMAT + 1}.*up to {FORMAT}"):
        SqliteLog(path, clock_ms=NOW, rng=random.Random(1))


async def test_a_file_of_a_version_without_notes_is_opened_and_gets_them(path: Path) -> None:
    async with opened(path) as log:
        await log.append(0, b"kept", ())
    older = sqlite3.connect(path)
    older.execute("DROP TABLE key_notes")
    older.commit()
    older.close()
    async with opened(path) as log:
        journal = log.journal(JournalMetrics(CollectorRegistry()))
        journal.append(0, b"note")
        await journal.close()
        assert [note async for note in journal.notes(0, 0)] == [b"note"]
        assert await values_in(log) == [b"kept"]


async def test_a_folder_where_the_file_should_be_is_an_outage(tmp_path: Path) -> None:
    with pytest.raises(LogUnavailable):
        SqliteLog(tmp_path, clock_ms=NOW, rng=random.Random(1))


async def test_records_and_commits_survive_reopening(path: Path) -> None:
    async with opened(path) as log:
        await log.append(0, b"one", ())
    async with opened(path) as log:
        await log.append(0, b"two", ())
        assert await values_in(log) == [b"one", b"two"]


async def test_offsets_continue_after_trimming_all_and_reopening(path: Path) -> None:
    clock = ManualClock()
    async with opened(path, clock) as log:
        for number in range(3):
            await log.append(0, b"%d" % number, ())
        async with owning(log.group_consumer()) as partition:
            _, following = await partition.bounds()
            await partition.commit_offset(following, "")
        assert (await log.trim(START_MS + TWO_DAYS_MS, below=log.end)).records == 3
    async with opened(path, clock) as log:
        await log.append(0, b"new", ())
        async with owning(log.group_consumer()) as partition:
            [record] = await everything_in(partition)
    assert record.offset == following


async def test_append_times_are_right_at_once_in_a_file_whose_clock_was_ahead(path: Path) -> None:
    clock = ManualClock(START_MS + 40 * DAY_MS)
    async with opened(path, clock) as log:
        await log.append(0, b"ahead", ())
    clock.set(START_MS)
    async with opened(path, clock) as log:
        await log.append(0, b"right", ())
        async with owning(log.group_consumer()) as partition:
            times = [record.appended_at_ms for record in await everything_in(partition)]
    assert times == [START_MS + 40 * DAY_MS, START_MS]


async def test_an_older_version_can_open_the_file(path: Path) -> None:
    async with opened(path):
        pass
    older = sqlite3.connect(path)
    asked = "SELECT coalesce((SELECT appended_at_ms FROM records), (SELECT value FROM meta WHERE name = ?))"
    assert older.execute(asked, ("newest_trimmed_ms",)).fetchone() == (0,)
    older.close()


async def test_closing_finishes_what_is_queued(path: Path) -> None:
    loop, writing, held = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    def hold(_: sqlite3.Connection) -> None:
        loop.call_soon_threadsafe(writing.set)
        held.wait()

    async with opened(path) as log:
        holding = log._writing.submit(hold)
        await writing.wait()
        appends = [asyncio.create_task(log.append(0, b"%d" % number, ())) for number in range(50)]
        closing = asyncio.create_task(log.close())
        while log._writing._queue.qsize() < 51:  # noqa: ASYNC110 (nothing tells when the appends and the end are queued)
            await asyncio.sleep(0)
        held.set()
        await asyncio.gather(holding, closing, *appends)
    async with opened(path) as log:
        assert len(await values_in(log)) == 50


async def test_a_failed_write_fails_only_its_own_transaction(path: Path) -> None:
    def breaks(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM records")
        raise OverflowError

    async with opened(path) as log:
        await log.append(0, b"before", ())
        with pytest.raises(LogUnavailable):
            await log._writing.run(breaks)
        await log.append(0, b"after", ())
        assert await values_in(log) == [b"before", b"after"]


async def test_a_closed_log_is_unavailable(path: Path) -> None:
    async with opened(path) as log:
        pass
    with pytest.raises(LogUnavailable):
        await log.append(0, b"x", ())
    with pytest.raises(LogUnavailable):
        await log.ping()
    with pytest.raises(LogUnavailable):
        await log.group_consumer().ping()


async def test_appends_that_wait_share_transactions(path: Path) -> None:
    async with opened(path) as log:
        await log.ping()  # the writer has settled
        statements: list[str] = []
        connection = log._writing._connection
        assert connection is not None
        connection.set_trace_callback(statements.append)
        await asyncio.gather(*(log.append(0, b"x", ()) for _ in range(200)))
        connection.set_trace_callback(None)
    assert 1 <= statements.count("COMMIT") <= 20


async def test_a_waiting_fetch_does_not_read_the_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    run = ReadingThread.run

    async def counted(self: ReadingThread, query: Query[object]) -> object:
        asked.append(query)
        return await run(self, query)

    async with opened(path) as log, owning(log.group_consumer()) as partition:
        _, following = await partition.bounds()
        await partition.seek(following)
        monkeypatch.setattr(ReadingThread, "run", counted)
        waiting = asyncio.create_task(partition.fetch())
        await asyncio.wait([waiting], timeout=0.05)
        assert not asked
        await log.append(0, b"x", ())
        assert len(await waiting) == 1
        assert not asked, "what was appended just now is at hand"


async def test_a_record_that_is_durable_although_its_append_failed_is_fetched(path: Path) -> None:
    async with opened(path) as log, owning(log.group_consumer()) as partition:
        _, following = await partition.bounds()
        await partition.seek(following)
        await log.append(0, b"before", ())
        async with opened(path) as unnoticed:  # as after a COMMIT that reported an error
            await unnoticed.append(0, b"kept", ())
        await log.append(0, b"answered", ())
        assert [record.value for record in await partition.fetch()] == [b"before", b"kept", b"answered"]


async def test_a_cancelled_append_is_durable_and_fetched(path: Path) -> None:
    async with opened(path) as log, owning(log.group_consumer()) as partition:
        _, following = await partition.bounds()
        await partition.seek(following)
        waiting = asyncio.create_task(partition.fetch())
        appending = asyncio.create_task(log.append(0, b"x", ()))
        await asyncio.sleep(0)  # it is queued
        appending.cancel()
        assert [record.value for record in await waiting] == [b"x"]
        assert appending.cancelled()


async def test_what_another_process_wrote_is_fetched_at_the_latest_with_the_next_append(path: Path) -> None:
    async with opened(path) as log, opened(path) as other, owning(log.group_consumer()) as partition:
        first, _ = await partition.bounds()
        await partition.seek(first)
        waiting = asyncio.create_task(partition.fetch())
        await other.append(0, b"unheard", ())  # nobody tells: a data folder is one process's
        done, _ = await asyncio.wait([waiting], timeout=0.05)
        assert not done
        await log.append(0, b"heard", ())
        assert [record.value for record in await waiting] == [b"unheard", b"heard"]


async def test_two_writers_of_one_file_corrupt_nothing(path: Path) -> None:
    async with opened(path) as one, opened(path) as other:
        await asyncio.gather(*(log.append(0, b"%d" % n, ()) for n in range(100) for log in (one, other)))
        values = await values_in(one)
    assert sorted(values) == sorted(b"%d" % n for n in range(100) for _ in range(2))
    check = sqlite3.connect(path)
    assert check.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    check.close()


async def test_a_second_reader_stands_by_while_the_first_owns_the_partition(path: Path) -> None:
    async with opened(path) as log, owning(log.group_consumer()) as partition:
        given: list[OwnedPartition] = []

        async def take(taken: OwnedPartition) -> None:
            given.append(taken)

        async with member(log.group_consumer(), take) as standing_by:
            done, _ = await asyncio.wait([standing_by], timeout=0.05)
            assert not done
            await partition.commit_offset(1, "")
            assert given == []


async def test_a_member_in_another_process_fences_the_first(path: Path) -> None:
    async with opened(path) as one, opened(path) as other, owning(one.group_consumer()) as former:
        await former.commit_offset(1, "")
        async with owning(other.group_consumer()) as partition:
            with pytest.raises(PartitionLost):
                await former.commit_offset(2, "too late")
            committed = await partition.committed()
    assert committed is not None
    assert committed.offset == 1


@pytest.mark.parametrize(
    ("headers", "appended_at_ms", "reason"),
    [
        (b"\x00", START_MS, "corrupt_batch"),
        (b"\x00\x02\xff\xff\x00\x00\x00\x00", START_MS, "corrupt_batch"),
        (b"", -1, "append_time"),
        (b"", 2**62, "append_time"),
    ],
)
async def test_a_corrupt_row_does_not_stop_others(path: Path, headers: bytes, appended_at_ms: int, reason: str) -> None:
    async with opened(path) as log:
        await log.append(0, b"before", ())
        with closing(sqlite3.connect(path)) as other, other:
            row = (appended_at_ms, headers, b"foreign")
            other.execute("INSERT INTO records (appended_at_ms, headers, value) VALUES (?, ?, ?)", row)
        await log.append(0, b"after", ())
        async with owning(log.group_consumer()) as partition:
            records = await everything_in(partition)
    assert [(record.value, record.defect) for record in records] == [
        (b"before", None),
        (b"foreign", Defect(reason, 3)),
        (b"after", None),
    ]


@pytest.mark.parametrize("clock_ms", [-(10**15), 10**17])
async def test_a_clock_beyond_the_stores_range_is_clamped_to_it(path: Path, clock_ms: int) -> None:
    async with opened(path, clock_ms=lambda: clock_ms) as log:
        await log.append(0, b"x", ())
        async with owning(log.group_consumer()) as partition:
            (record,) = await everything_in(partition)
    assert record.defect is None
    assert record.appended_at_ms in (0, LAST_APPENDED_MS)
