"""Unreadable records, kept by their place."""

from __future__ import annotations

from siddes_telemetry.backends.ports.log import DeadLetter, DeadLetterEntry
from tests.contract.log.backends import LogUnderTest

LETTER = DeadLetter(0, 7, "line", b"not a record \xff", (("schema", b"1.1"),))


async def test_there_are_none_at_first(log: LogUnderTest) -> None:
    assert list(await log.dead_letters.entries()) == []


async def test_a_dead_letter_shows_its_place_reason_and_size(log: LogUnderTest) -> None:
    await log.dead_letters.append(LETTER)
    assert list(await log.dead_letters.entries()) == [DeadLetterEntry(0, 7, "line", 14)]


async def test_a_dead_letter_added_twice_is_listed_once(log: LogUnderTest) -> None:
    await log.dead_letters.append(LETTER)
    await log.dead_letters.append(LETTER)
    assert len(await log.dead_letters.entries()) == 1


async def test_dead_letters_are_listed_in_order_of_place(log: LogUnderTest) -> None:
    places = [(0, 300), (1, 2), (0, 5), (0, 40), (1, 1)]
    for partition, offset in places:
        await log.dead_letters.append(DeadLetter(partition, offset, "event", b"", ()))
    assert [(entry.partition, entry.offset) for entry in await log.dead_letters.entries()] == sorted(places)
