"""The name of the claim that names the viewer."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siddes_telemetry.web.auth.claims import find_claim

ID = "https://app.example/id"


@pytest.mark.parametrize(
    ("name", "claims", "found"),
    [
        ("sub", {"sub": "v"}, "v"),
        ("sub", {}, None),
        ("sub", {"sub": None}, None),
        ("user.id", {"user": {"id": 1}}, 1),
        ("a.b.c.d", {"a": {"b": {"c": {"d": 1}}}}, 1),
        ("user.id", {"user": {"id": 1}, "user.id": 2}, 2),  # the whole name first
        ("user.id", {"user.id": None, "user": {"id": 1}}, None),
        (ID, {ID: "v"}, "v"),
        ("https://app.example/user.id", {"https://app.example/user": {"id": "v"}}, "v"),
        ("a.b.c", {"a.b": {"c": 1}, "a": {"b.c": 2}}, 1),  # then the longest first name
        ("a.b.c", {"a.b": 0, "a": {"b.c": 2}}, 2),
        ("a.b.c", {"a": {"b": {"c": 3}}}, 3),
        ("user.id", {"user": "v"}, None),
        ("user.id", {"user": [{"id": 1}]}, None),
        ("user.id", {"user": {}}, None),
        ("user.", {"user": {"": 1}}, 1),
        (".id", {"": {"id": 1}}, 1),
        (".", {}, None),
    ],
)
def test_a_name_is_a_claims_whole_name_or_a_path(name: str, claims: dict[str, Any], found: object) -> None:
    assert find_claim(claims, name) == found


_NAME = st.text("ab.", min_size=1, max_size=6)
_VALUE = st.recursive(st.integers() | st.none(), lambda inner: st.dictionaries(_NAME, inner, max_size=3), max_leaves=8)


@given(st.dictionaries(_NAME, _VALUE, max_size=4), _NAME)
def test_any_name_is_looked_up_in_any_claims(claims: dict[str, Any], name: str) -> None:
    found = find_claim(claims, name)
    if name in claims:
        assert found == claims[name]
