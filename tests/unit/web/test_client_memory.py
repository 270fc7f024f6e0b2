from __future__ import annotations

from siddes_telemetry.web.client_memory import ClientMemoryLimit


class Client:
    def __init__(self) -> None:
        self.cut = 0

    def evict(self) -> None:
        self.cut += 1


def test_who_has_had_bytes_kept_for_longest_is_cut_off_first() -> None:
    held = ClientMemoryLimit(100)
    first, second, third = Client(), Client(), Client()
    held.set_usage(first, 40)
    held.set_usage(second, 40)
    held.set_usage(first, 60)
    assert held.used_bytes == 100
    held.set_usage(third, 1)
    assert (first.cut, second.cut, third.cut) == (1, 0, 0)
    assert held.used_bytes == 41


def test_who_needs_nothing_any_more_is_not_cut_off() -> None:
    held = ClientMemoryLimit(100)
    first, second = Client(), Client()
    held.set_usage(first, 90)
    held.set_usage(first, 0)
    held.set_usage(first, 0)
    held.set_usage(second, 100)
    assert (first.cut, second.cut, held.used_bytes) == (0, 0, 100)


def test_one_client_may_not_have_more_than_all() -> None:
    held = ClientMemoryLimit(100)
    client = Client()
    held.set_usage(client, 101)
    assert (client.cut, held.used_bytes) == (1, 0)
