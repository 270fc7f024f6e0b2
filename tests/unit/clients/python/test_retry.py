from __future__ import annotations

import pytest

from siddes_telemetry_client.retry import CAP_S, LAST_TRY_S, too_late, wait_s


@pytest.mark.parametrize(("tries", "ceiling_s"), [(1, 1.0), (2, 2.0), (6, 32.0), (7, CAP_S), (10_000, CAP_S)])
def test_waits_double_up_to_a_cap_with_full_jitter(tries: int, ceiling_s: float) -> None:
    assert wait_s(tries, 0.0, lambda: 0.0) == 0.0
    assert wait_s(tries, 0.0, lambda: 0.5) == ceiling_s / 2


def test_what_the_server_asked_for_comes_before_the_jitter() -> None:
    assert wait_s(1, 7.0, lambda: 0.0) == 7.0
    assert wait_s(1, 7.0, lambda: 0.5) == 7.5


def test_nine_minutes_after_its_first_try_a_batch_is_too_late() -> None:
    assert not too_late(100.0, 100.0 + LAST_TRY_S)
    assert too_late(100.0, 100.1 + LAST_TRY_S)
    assert LAST_TRY_S + 30 < 600
