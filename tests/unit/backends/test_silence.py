"""Which connections count as silent."""

from __future__ import annotations

from siddes_telemetry.backends.kafka.silence import SILENT_S, SilenceDetector


def test_a_request_that_waits_makes_its_connection_silent() -> None:
    detector: SilenceDetector[str] = SilenceDetector()
    assert detector.look({"a": 7, "b": 1}, now=100) == {}
    assert detector.look({"a": 7, "b": 1}, now=100 + SILENT_S - 0.1) == {}
    assert detector.look({"a": 7, "b": 2}, now=100 + SILENT_S) == {"a": (7, 100)}


def test_a_busy_connection_is_not_silent() -> None:
    detector: SilenceDetector[str] = SilenceDetector()
    for number in range(10):
        assert detector.look({"a": number}, now=number * SILENT_S) == {}


def test_silence_ends_with_an_answer_and_may_begin_again() -> None:
    detector: SilenceDetector[str] = SilenceDetector()
    detector.look({"a": 1}, now=0)
    assert detector.look({"a": 1}, now=2) == {"a": (1, 0)}
    assert detector.look({}, now=3) == {}
    assert detector.look({"a": 2}, now=4) == {}
    assert detector.look({"a": 2}, now=5) == {"a": (2, 4)}
