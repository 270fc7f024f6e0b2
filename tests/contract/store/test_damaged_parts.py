"""A part whose files cannot be read is an outage with a reason, by whatever number the server says it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from siddes_telemetry.backends.ports.errors import StoreUnavailable
from tests.contract.store.backends import DEADLINE_S, ClickHouseUnderTest
from tests.contract.store.blocks import block


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:60])


@pytest.mark.parametrize("harm", [cut, Path.unlink], ids=["cut", "gone"])
async def test_a_part_without_all_its_data_is_damaged(
    clickhouse: ClickHouseUnderTest, harm: Callable[[Path], None]
) -> None:
    await clickhouse.store.insert(block(3000, viewers=50), "a", deadline_s=DEADLINE_S)
    places = await clickhouse.rows(
        "SELECT path FROM system.parts WHERE database = {database:String} AND table = 'telemetry_counts' AND active"
    )
    if not all(Path(str(place)).is_dir() for (place,) in places):
        pytest.skip("the server's files are in a container")
    files = [file for (place,) in places for file in Path(str(place)).glob("*.bin")]
    assert files
    for file in files:
        harm(file)
    with pytest.raises(StoreUnavailable) as failed:
        await clickhouse.store.counts("7", since_ms=0, deadline_s=DEADLINE_S)
    assert failed.value.reason == "damaged"
