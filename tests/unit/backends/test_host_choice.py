"""Which server the next statement goes to."""

from __future__ import annotations

from siddes_telemetry.backends.clickhouse.host_choice import QUIET_S, HostChoice


def test_the_first_server_is_used_until_it_fails_and_then_the_next_one_stays() -> None:
    choice = HostChoice(3)
    assert (choice.current, choice.changes) == (0, 0)
    choice.failed(0, 100.0)
    assert (choice.current, choice.changes) == (1, 1)
    choice.failed(0, 101.0)  # of a statement that was sent before
    assert (choice.current, choice.changes) == (1, 1)


def test_the_list_is_gone_through_in_turn() -> None:
    choice = HostChoice(3)
    order = []
    for second in range(6):
        order.append(choice.current)
        choice.failed(choice.current, 100.0 + second)
    assert order == [0, 1, 2, 0, 1, 2]


def test_a_server_that_failed_lately_is_passed_over() -> None:
    choice = HostChoice(3)
    choice.failed(0, 100.0)
    choice.failed(2, 101.0)
    choice.failed(1, 102.0)
    assert choice.current == 0  # all have failed: this one is the longest ago
    choice.failed(0, 103.0)
    assert choice.current == 2
    choice = HostChoice(3)
    choice.failed(2, 100.0)
    choice.failed(0, 100.0)
    choice.failed(1, 100.0 + QUIET_S)
    assert choice.current == 2
    choice.failed(2, 101.0 + QUIET_S)
    assert choice.current == 0


def test_a_single_server_stays() -> None:
    choice = HostChoice(1)
    choice.failed(0, 100.0)
    assert (choice.current, choice.changes) == (0, 0)
