from __future__ import annotations

import pytest

from siddes_telemetry.backends.clickhouse_errors import failure
from siddes_telemetry.backends.ports import BackendError, StoreMissing, StoreRefused, StoreUnavailable


@pytest.mark.parametrize("code", [26, 27, 36, 117, 469, 691])
def test_wrong_data_is_refused_for_good(code: int) -> None:
    error = failure(code)
    assert isinstance(error, StoreRefused)
    assert error.code == code


@pytest.mark.parametrize("code", [60, 81])
def test_a_missing_table_or_database_is_missing(code: int) -> None:
    assert isinstance(failure(code), StoreMissing)


# time-outs, network, too many queries, memory, read-only, too many parts, setting, access, credentials, keepers, disk,
# one that nobody knows, and no answer at all
@pytest.mark.parametrize("code", [159, 160, 209, 210, 202, 241, 242, 252, 115, 497, 193, 516, 999, 243, 123_456, None])
def test_what_may_pass_or_be_mended_is_an_outage(code: int | None) -> None:
    assert type(failure(code)) is StoreUnavailable


def test_the_number_is_told() -> None:
    told: list[BackendError] = [failure(252), failure(60), failure(469)]
    assert ["252" in str(told[0]), "60" in str(told[1]), "469" in str(told[2])] == [True] * 3
