from __future__ import annotations

import pytest

from siddes_telemetry_client.retry import CAP_S, MAX_AGE_S, backoff_s, is_expired


@pytest.mark.parametrize(("tries", "ceiling_s"), [(1, 1.0), (2, 2.0), (6, 32.0), (7, CAP_S), (10_000, CAP_S)])
def test_waits_double_up_to_a_cap_with_full_jitter(tries: int, ceiling_s: float) -> None:
    assert backoff_s(tries, 0.0, lambda: 0.0) == 0.0
    assert backoff_s(tries, 0.0, lambda: 0.5) == ceiling_s / 2


def test_what_the_server_asked_for_comes_before_the_jitter() -> None:
    assert backoff_s(1, 7.0, lambda: 0.0) == 7.0
    assert backoff_s(1, 7.0, lambda: 0.5) == 7.5


def test_nine_minutes_after_its_first_try_a_batch_is_too_late() -> None:
    assert not is_expired(100.0, 100.0 + MAX_AGE_S)
    assert is_expired(100.0, 100.1 + MAX_AGE_S)
    assert MAX_AGE_S + 30 < 600
