from __future__ import annotations

from siddes_telemetry.web.client_memory import ClientMemoryLimit


class Client:
    def __init__(self) -> None:
        self.evictions = 0

    def evict(self) -> None:
        self.evictions += 1


def test_the_oldest_holder_is_evicted_first() -> None:
    memory = ClientMemoryLimit(100)
    first, second, third = Client(), Client(), Client()
    memory.set_usage(first, 40)
    memory.set_usage(second, 40)
    memory.set_usage(first, 60)
    assert memory.used_bytes == 100
    memory.set_usage(third, 1)
    assert (first.evictions, second.evictions, third.evictions) == (1, 0, 0)
    assert memory.used_bytes == 41


def test_a_client_that_holds_nothing_is_not_evicted() -> None:
    memory = ClientMemoryLimit(100)
    first, second = Client(), Client()
    memory.set_usage(first, 90)
    memory.set_usage(first, 0)
    memory.set_usage(first, 0)
    memory.set_usage(second, 100)
    assert (first.evictions, second.evictions, memory.used_bytes) == (0, 0, 100)


def test_one_client_cannot_exceed_the_limit() -> None:
    memory = ClientMemoryLimit(100)
    client = Client()
    memory.set_usage(client, 101)
    assert (client.evictions, memory.used_bytes) == (1, 0)
