from __future__ import annotations

import pytest

from siddes_telemetry.schemas.errors import ApiError, ErrorCode
from siddes_telemetry.web.cors import CorsPolicy

LISTED = "https://partner.example"


def test_a_listed_origin_may_read_with_credentials() -> None:
    lines = CorsPolicy([LISTED]).header_lines(LISTED)
    assert f"Access-Control-Allow-Origin: {LISTED}\r\n" in lines
    assert "Access-Control-Allow-Credentials: true\r\n" in lines
    assert "Access-Control-Expose-Headers: X-Request-Id, Retry-After, ETag\r\n" in lines
    assert "Vary: Origin\r\n" in lines


@pytest.mark.parametrize("origin", [None, "null", "https://evil.example", LISTED + "/", LISTED.upper(), ""])
def test_no_other_origin_is_told_anything(origin: str | None) -> None:
    assert CorsPolicy([LISTED]).header_lines(origin) == "Vary: Origin\r\n"
    assert CorsPolicy([]).header_lines(origin) == ""


def test_a_preflight_is_answered_to_listed_origins_only() -> None:
    response = CorsPolicy([LISTED]).preflight(LISTED)
    assert response.status == 204
    assert dict(response.headers)["Access-Control-Allow-Headers"] == (
        "authorization, content-type, content-encoding, x-request-id"
    )
    with pytest.raises(ApiError) as error:
        CorsPolicy([LISTED]).preflight("https://evil.example")
    assert error.value.code is ErrorCode.forbidden_origin
