from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siddes_telemetry.schemas.clamping import clamp_count
from siddes_telemetry.schemas.registry import EVENT_NAME
from siddes_telemetry_client.calls import clamped, may_be_event, may_be_token


@pytest.mark.parametrize(
    ("count", "expected"),
    [(3, 3), (3.9, 3), (0.4, 1), (-7, 1), (51, 50), (10**400, 50), (True, 1)]
    + [(not_finite, 1) for not_finite in (math.inf, -math.inf, math.nan)],
)
def test_a_count_is_truncated_and_clamped_as_the_server_has_it(count: float, expected: int) -> None:
    assert clamped(count) == clamp_count(count) == expected


@given(st.one_of(st.text(), st.from_regex(EVENT_NAME), st.from_regex(EVENT_NAME, fullmatch=True)))
def test_a_name_may_be_an_event_where_the_servers_registry_could_name_one_so(name: str) -> None:
    assert may_be_event(name) == (EVENT_NAME.fullmatch(name) is not None)


@pytest.mark.parametrize("token", ["", "a b", "a\r\nX: y", "ä", "=", "a" * 8184])
def test_what_a_header_cannot_carry_is_no_token(token: str) -> None:
    assert not may_be_token(token)


def test_a_jwt_may_be_a_token() -> None:
    assert may_be_token("a" * 8183)
    assert may_be_token("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.K-_q0x")
