"""Several servers are asked for one answer, without waiting for each to fail."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from siddes_telemetry.backends.kafka.hedging import first_answer
from tests.fakes.virtual_time import in_virtual_time

STAGGER_S = 0.5
Question = Callable[[], Coroutine[Any, Any, str]]


class Servers:
    """Questions that are answered, or fail, after a time."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.cancelled: list[str] = []

    def question(self, name: str, after_s: float, error: Exception | None = None) -> Question:
        async def ask() -> str:
            self.asked.append(name)
            try:
                await asyncio.sleep(after_s)
            except asyncio.CancelledError:
                self.cancelled.append(name)
                raise
            if error is not None:
                raise error
            return name

        return ask


@in_virtual_time
async def test_only_the_first_is_asked_if_it_answers_in_time() -> None:
    servers = Servers()
    questions = [servers.question("a", 0.4), servers.question("b", 0)]
    assert await first_answer(questions, stagger_s=STAGGER_S) == "a"
    assert servers.asked == ["a"]


@in_virtual_time
async def test_the_next_is_asked_beside_a_silent_one() -> None:
    servers = Servers()
    questions = [servers.question("silent", 3600), servers.question("b", 0.1), servers.question("c", 0)]
    begun = asyncio.get_running_loop().time()
    assert await first_answer(questions, stagger_s=STAGGER_S) == "b"
    assert asyncio.get_running_loop().time() - begun == pytest.approx(STAGGER_S + 0.1, abs=0.01)
    assert (servers.asked, servers.cancelled) == (["silent", "b"], ["silent"])


@in_virtual_time
async def test_the_next_is_asked_at_once_where_one_fails() -> None:
    servers = Servers()
    questions = [servers.question("a", 0.1, OSError()), servers.question("b", 0.1)]
    begun = asyncio.get_running_loop().time()
    assert await first_answer(questions, stagger_s=STAGGER_S) == "b"
    assert asyncio.get_running_loop().time() - begun == pytest.approx(0.2, abs=0.01)


@in_virtual_time
async def test_an_early_answer_of_a_slow_one_counts() -> None:
    servers = Servers()
    questions = [servers.question("slow", 0.7), servers.question("slower", 0.7)]
    assert await first_answer(questions, stagger_s=STAGGER_S) == "slow"
    assert servers.cancelled == ["slower"]


@in_virtual_time
async def test_the_last_failure_is_raised_where_all_fail() -> None:
    servers = Servers()
    questions = [servers.question("a", 0.9, OSError("late")), servers.question("b", 0, ValueError("early"))]
    with pytest.raises(OSError, match="late"):
        await first_answer(questions, stagger_s=STAGGER_S)


@in_virtual_time
async def test_nothing_is_left_running_where_the_caller_gives_up() -> None:
    servers = Servers()
    questions = [servers.question("a", 3600), servers.question("b", 3600)]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await first_answer(questions, stagger_s=STAGGER_S)
    assert sorted(servers.cancelled) == ["a", "b"]


@in_virtual_time
async def test_failures_beside_an_answer_are_not_left_to_asyncios_log() -> None:
    """asyncio logs the text of an exception that nobody looked at: it may hold hosts."""
    left: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: left.append(context))
    servers = Servers()
    for late in ("answers", "fails"):  # in the same moment as the other: whichever asyncio.wait() names first
        error = OSError("at a host") if late == "fails" else None
        for order in ((error, None), (None, error)):
            questions = [servers.question("a", 0.6, order[0]), servers.question("b", 0.1, order[1])]
            await first_answer(questions, stagger_s=STAGGER_S)
    gc.collect()
    await asyncio.sleep(0)
    assert not left


@in_virtual_time
async def test_a_failure_while_being_cancelled_is_not_left_to_asyncios_log() -> None:
    left: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: left.append(context))

    async def fails_when_cancelled() -> str:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            raise OSError("at a host") from None
        return "never"

    assert await first_answer([fails_when_cancelled, Servers().question("b", 0.1)], stagger_s=STAGGER_S) == "b"
    gc.collect()
    await asyncio.sleep(0)
    assert not left
