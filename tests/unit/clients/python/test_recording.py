from __future__ import annotations

import pytest

from siddes_telemetry_client import RecordedCall, RecordingTelemetry, Stats, Telemetry


def export(telemetry: Telemetry) -> None:
    """An app's code."""
    telemetry.count("photo_exported", 3, token="alice")
    telemetry.count("photo_opened", 0, token="alice")
    telemetry.count("photo_opened", 700, token="bob")


def test_it_records_what_the_server_would_count() -> None:
    with RecordingTelemetry() as telemetry:
        export(telemetry)
        assert telemetry.flush()
    assert telemetry.calls == [RecordedCall("photo_exported", 3, "alice"), RecordedCall("photo_opened", 50, "bob")]
    assert telemetry.stats == Stats(2, 0, 2, 0, 0, 0, 0, 0, 0)
    telemetry.clear()
    assert telemetry.calls == []


def test_calls_after_its_close_are_dropped() -> None:
    telemetry = RecordingTelemetry()
    assert telemetry.close()
    export(telemetry)
    assert telemetry.calls == []
    assert telemetry.stats.abandoned == telemetry.stats.called == 2


def test_it_raises_as_the_real_one_does() -> None:
    with pytest.raises(TypeError, match="must be of type str"):
        RecordingTelemetry().count("photo_opened", token=None)  # type: ignore[arg-type]  # what is tested


def test_its_repr_shows_no_token() -> None:
    telemetry = RecordingTelemetry()
    telemetry.count("photo_opened", token="canary")
    assert "canary" not in repr([telemetry, telemetry.calls])
