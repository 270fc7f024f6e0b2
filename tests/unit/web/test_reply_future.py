"""A result on its way: a future but for when its listener hears of it."""

from __future__ import annotations

import asyncio

import pytest

from siddes_telemetry.web.reply_future import ReplyFuture


def test_who_waits_is_told_at_once() -> None:
    pending: ReplyFuture[int] = ReplyFuture()
    heard: list[int] = []
    pending.add_done_callback(lambda done: heard.append(done.result()))
    assert not pending.done()
    pending.set_result(7)
    assert heard == [7]


def test_who_comes_late_is_told_at_once_too() -> None:
    pending: ReplyFuture[int] = ReplyFuture()
    pending.set_exception(ValueError())
    heard: list[BaseException | None] = []
    pending.add_done_callback(lambda done: heard.append(done.exception()))
    assert isinstance(heard[0], ValueError)
    with pytest.raises(ValueError):  # noqa: PT011 - the very one
        pending.result()


def test_it_is_settled_once_and_heard_by_one() -> None:
    pending: ReplyFuture[int] = ReplyFuture()
    assert pending.cancel()
    assert not pending.cancel()
    assert pending.cancelled()
    with pytest.raises(asyncio.InvalidStateError):
        pending.set_result(1)
    waited: ReplyFuture[int] = ReplyFuture()
    waited.add_done_callback(lambda _: None)
    with pytest.raises(RuntimeError):
        waited.add_done_callback(lambda _: None)


async def test_a_listener_that_fails_does_not_trouble_who_settles() -> None:
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))
    pending: ReplyFuture[int] = ReplyFuture()

    def fail(_: ReplyFuture[int]) -> None:
        raise ZeroDivisionError

    pending.add_done_callback(fail)
    pending.set_result(1)
    assert isinstance(reported[0], ZeroDivisionError)


async def test_it_can_be_awaited_and_a_cancelled_wait_cancels_it() -> None:
    pending: ReplyFuture[int] = ReplyFuture()
    asyncio.get_running_loop().call_soon(pending.set_result, 3)
    assert await pending == 3
    assert await pending == 3
    given_up: ReplyFuture[int] = ReplyFuture()
    waiting = asyncio.ensure_future(_awaited(given_up))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert given_up.cancelled()


async def _awaited(pending: ReplyFuture[int]) -> int:
    return await pending
