"""Set-aside requests and decisions are stored by partition and offset, once."""

from __future__ import annotations

import pytest

from siddes_telemetry.backends.ports.errors import StoreMissing
from siddes_telemetry.backends.ports.store import SetAside
from tests.contract.store.backends import StoreUnderTest

LOG = 7


async def test_nothing_is_set_aside_at_first(backend: StoreUnderTest) -> None:
    assert await backend.store.set_asides(LOG, 0) == []
    assert await backend.audit.set_asides(LOG, 0) == []


async def test_requests_and_decisions_are_told_apart(backend: StoreUnderTest) -> None:
    for decision in (SetAside(5), SetAside(5, 9), SetAside(2**60, 2**60 + 1)):
        await backend.store.write_set_aside(LOG, 3, decision)
    expected = {SetAside(5), SetAside(5, 9), SetAside(2**60, 2**60 + 1)}
    assert set(await backend.store.set_asides(LOG, 3)) == expected
    assert set(await backend.audit.set_asides(LOG, 3)) == expected


async def test_before_migrate_the_table_is_missing(bare: StoreUnderTest) -> None:
    with pytest.raises(StoreMissing):
        await bare.store.set_asides(LOG, 0)


async def test_logs_and_partitions_are_apart(backend: StoreUnderTest) -> None:
    await backend.store.write_set_aside(LOG, 3, SetAside(5))
    assert await backend.store.set_asides(LOG, 2) == []
    assert await backend.store.set_asides(LOG + 1, 3) == []


async def test_a_second_write_changes_nothing(backend: StoreUnderTest) -> None:
    for _ in range(2):
        await backend.store.write_set_aside(LOG, 3, SetAside(5, 6))
    assert list(await backend.store.set_asides(LOG, 3)) == [SetAside(5, 6)]
