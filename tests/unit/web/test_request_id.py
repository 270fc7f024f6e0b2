from __future__ import annotations

from random import Random

import pytest

from siddes_telemetry.web.request_id import RequestIds

UUID = "6b1f4f6e-3f0c-4f4e-9d53-0a7a3f1f9c11"


@pytest.mark.parametrize("sent", ["0123456789abcdef", "A" * 32, "f" * 20, UUID, UUID.upper()])
def test_an_identifier_is_taken_over(sent: str) -> None:
    assert RequestIds(Random(1)).for_header(sent) == sent


@pytest.mark.parametrize(
    "sent",
    [
        None,
        "",
        "a" * 15,
        "a" * 33,
        "g" * 16,
        "0123456789abcdef\n",
        " 0123456789abcdef",
        "{" + UUID + "}",
        UUID.replace("-", "", 1),
        "٠١٢٣٤٥٦٧٨٩٠١٢٣٤٥",
        "someone@example.org",
    ],
)
def test_anything_else_is_not(sent: str | None) -> None:
    made = RequestIds(Random(1)).for_header(sent)
    assert made != sent
    assert len(made) == 32
    assert int(made, 16)


def test_made_ones_differ() -> None:
    ids = RequestIds(Random(1))
    assert len({ids.new() for _ in range(1000)}) == 1000
