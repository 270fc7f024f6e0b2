"""When a connection's session ends."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from siddes_telemetry.backends.kafka.aiokafka_connection import BrokerConnection


@pytest.mark.parametrize(("life_ms", "ends"), [(100_000, True), (0, False)])
async def test_a_connection_is_replaced_and_given_up_before_its_session_ends(life_ms: int, ends: bool) -> None:
    async def answered() -> SimpleNamespace:
        return SimpleNamespace(session_lifetime_ms=life_ms)

    connection = BrokerConnection("127.0.0.1", 9)
    before_s = time.monotonic()
    await connection._note_session(answered())
    assert (connection.renew_at_s < before_s + 90) == ends
    assert (connection.ends_at_s < before_s + 100) == ends
    assert connection.renew_at_s < connection.ends_at_s or not ends
