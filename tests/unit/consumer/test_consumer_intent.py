from __future__ import annotations

import pytest

from siddes_telemetry.consumer.intent import NO_INTENT, GroupState, UnknownIntentError, decode_state, encode_intent


def test_an_intent_reads_back_as_its_range() -> None:
    assert decode_state(5, encode_intent(9)) == GroupState(5, 9)
    assert encode_intent(9) == '{"v":1,"end":9}'


def test_empty_metadata_is_no_intent() -> None:
    assert decode_state(5, NO_INTENT) == GroupState(5)


@pytest.mark.parametrize(
    "metadata",
    [
        "x",
        "null",
        "[]",
        "{}",
        '{"v":2,"end":9}',
        '{"v":1}',
        '{"end":9}',
        '{"v":1,"end":9,"more":1}',
        '{"v":1,"end":"9"}',
        '{"v":1,"end":9.0}',
        '{"v":1,"end":true}',
        '{"v":1,"end":5}',
        '{"v":1,"end":4}',
        "[" * 100_000,
        '{"v":1,"end":' + "9" * 5000 + "}",
    ],
)
def test_what_this_version_did_not_write_is_not_guessed_at_and_not_quoted(metadata: str) -> None:
    with pytest.raises(UnknownIntentError) as caught:
        decode_state(5, metadata)

    assert caught.value.__cause__ is None
    assert metadata == "x" or metadata not in str(caught.value)
