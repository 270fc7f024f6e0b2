from __future__ import annotations

from siddes_telemetry.web.client_memory import ClientMemory


class Client:
    def __init__(self) -> None:
        self.cut = 0

    def cut_off(self) -> None:
        self.cut += 1


def test_who_has_had_bytes_kept_for_longest_is_cut_off_first() -> None:
    held = ClientMemory(100)
    first, second, third = Client(), Client(), Client()
    held.hold(first, 40)
    held.hold(second, 40)
    held.hold(first, 60)
    assert held.total == 100
    held.hold(third, 1)
    assert (first.cut, second.cut, third.cut) == (1, 0, 0)
    assert held.total == 41


def test_who_needs_nothing_any_more_is_not_cut_off() -> None:
    held = ClientMemory(100)
    first, second = Client(), Client()
    held.hold(first, 90)
    held.hold(first, 0)
    held.hold(first, 0)
    held.hold(second, 100)
    assert (first.cut, second.cut, held.total) == (0, 0, 100)


def test_one_client_may_not_have_more_than_all() -> None:
    held = ClientMemory(100)
    client = Client()
    held.hold(client, 101)
    assert (client.cut, held.total) == (1, 0)
