from __future__ import annotations

import random
import time

import pytest

from siddes_telemetry.backends.backoff import FIRST_S, LONGEST_S, Backoff
from siddes_telemetry.consumer.lease import LEASE_S, boot_clock_s, may_insert


def test_an_insert_may_start_for_a_minute_after_its_intent_commit() -> None:
    assert LEASE_S == 60.0
    assert may_insert(100.0, 100.0)
    assert may_insert(100.0, 160.0)
    assert not may_insert(100.0, 160.1)


def test_the_lease_clock_is_the_one_that_runs_during_suspend() -> None:
    before = time.clock_gettime(time.CLOCK_BOOTTIME)

    assert before <= boot_clock_s() <= time.clock_gettime(time.CLOCK_BOOTTIME)


def test_waits_double_up_to_a_bound_and_are_jittered_by_half() -> None:
    for seed in range(50):
        backoff = Backoff(random.Random(seed))
        ceiling_s = FIRST_S
        for _ in range(12):
            assert ceiling_s / 2 <= backoff.next_s() <= ceiling_s
            ceiling_s = min(LONGEST_S, ceiling_s * 2)
        assert ceiling_s == LONGEST_S


def test_two_consumers_do_not_come_back_at_once() -> None:
    assert Backoff(random.Random(1)).next_s() != pytest.approx(Backoff(random.Random(2)).next_s())
