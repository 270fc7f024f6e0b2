from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siddes_telemetry.schemas import clamping
from siddes_telemetry.schemas.registry import EVENT_NAME
from siddes_telemetry_client.validation import clamp_count, is_bearer_token, is_event_name, times_of


@pytest.mark.parametrize(
    ("count", "expected"),
    [(3, 3), (3.9, 3), (0.4, 1), (-7, 1), (51, 50), (10**400, 50), (True, 1)]
    + [(not_finite, 1) for not_finite in (math.inf, -math.inf, math.nan)],
)
def test_a_count_is_truncated_and_clamped_as_the_server_has_it(count: float, expected: int) -> None:
    assert clamp_count(count) == clamping.clamp_count(count) == expected


@pytest.mark.parametrize(
    ("count", "times"),
    [(0, 0), (0.0, 0), (False, 0), (Decimal(0), 0), (Decimal("2.5"), 2), (Decimal("sNaN"), 1), (None, 1), ([], 1)],
)
def test_only_zero_counts_nothing_and_what_is_no_number_counts_once(count: Any, times: int) -> None:
    assert times_of(count) == times


def test_a_count_that_cannot_be_compared_counts_once() -> None:
    class Tensor:
        """As PyTorch's, of several numbers."""

        __hash__ = None  # type: ignore[assignment]  # typeshed has a method only

        def __eq__(self, other: object) -> bool:
            raise RuntimeError("ambiguous")

    count: Any = Tensor()
    assert times_of(count) == 1


@given(st.one_of(st.text(), st.from_regex(EVENT_NAME), st.from_regex(EVENT_NAME, fullmatch=True)))
def test_a_name_is_accepted_where_the_servers_registry_accepts_it(name: str) -> None:
    assert is_event_name(name) == (EVENT_NAME.fullmatch(name) is not None)


@pytest.mark.parametrize("token", ["", "a b", "a\r\nX: y", "ä", "=", "a" * 8184])
def test_a_token_that_no_header_can_carry_is_refused(token: str) -> None:
    assert not is_bearer_token(token)


def test_a_jwt_is_accepted() -> None:
    assert is_bearer_token("a" * 8183)
    assert is_bearer_token("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.K-_q0x")
