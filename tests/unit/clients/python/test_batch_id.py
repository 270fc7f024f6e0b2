from __future__ import annotations

import time
from uuid import RFC_4122, UUID

from hypothesis import given
from hypothesis import strategies as st

from siddes_telemetry_client.batch_id import new_id, uuid7

NOISE = st.integers(0, 2**80 - 1)


def test_the_example_of_the_rfc() -> None:  # RFC 9562, appendix A.6
    noise = 0xCC3 << 64 | 0x18C4DC0C0C07398F
    assert uuid7(0x017F22E279B0, noise) == UUID("017f22e2-79b0-7cc3-98c4-dc0c0c07398f")


@given(st.integers(0, 2**48 - 1), NOISE)
def test_an_id_is_a_uuid_of_version_7_that_says_when_it_was_made(unix_ms: int, noise: int) -> None:
    made = uuid7(unix_ms, noise)
    assert (made.version, made.variant) == (7, RFC_4122)
    assert made.int >> 80 == unix_ms


def test_an_id_has_74_random_bits() -> None:
    assert str(uuid7(0, 0)) == "00000000-0000-7000-8000-000000000000"
    assert str(uuid7(0, 2**80 - 1)) == "00000000-0000-7fff-bfff-ffffffffffff"


def test_the_time_of_a_new_id_is_now_and_no_two_are_the_same() -> None:
    before = time.time_ns() // 1_000_000
    ids = [new_id() for _ in range(1000)]
    assert before <= ids[0].int >> 80 <= ids[-1].int >> 80 <= time.time_ns() // 1_000_000
    assert len(set(ids)) == 1000
