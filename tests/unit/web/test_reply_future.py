"""A future whose callback runs as soon as the result is set."""

from __future__ import annotations

import asyncio

import pytest

from siddes_telemetry.web.reply_future import ReplyFuture


def test_the_callback_runs_at_once() -> None:
    future: ReplyFuture[int] = ReplyFuture()
    called: list[int] = []
    future.add_done_callback(lambda done: called.append(done.result()))
    assert not future.done()
    future.set_result(7)
    assert called == [7]


def test_a_callback_that_is_added_late_runs_at_once() -> None:
    future: ReplyFuture[int] = ReplyFuture()
    future.set_exception(ValueError())
    called: list[BaseException | None] = []
    future.add_done_callback(lambda done: called.append(done.exception()))
    assert isinstance(called[0], ValueError)
    with pytest.raises(ValueError):  # noqa: PT011 - the very one
        future.result()


def test_it_is_done_once_and_has_one_callback() -> None:
    future: ReplyFuture[int] = ReplyFuture()
    assert future.cancel()
    assert not future.cancel()
    assert future.cancelled()
    with pytest.raises(asyncio.InvalidStateError):
        future.set_result(1)
    waited: ReplyFuture[int] = ReplyFuture()
    waited.add_done_callback(lambda _: None)
    with pytest.raises(RuntimeError):
        waited.add_done_callback(lambda _: None)


async def test_a_callback_that_fails_does_not_disturb_the_caller() -> None:
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))
    future: ReplyFuture[int] = ReplyFuture()

    def fail(_: ReplyFuture[int]) -> None:
        raise ZeroDivisionError

    future.add_done_callback(fail)
    future.set_result(1)
    assert isinstance(reported[0], ZeroDivisionError)


async def test_it_can_be_awaited_and_a_cancelled_wait_cancels_it() -> None:
    future: ReplyFuture[int] = ReplyFuture()
    asyncio.get_running_loop().call_soon(future.set_result, 3)
    assert await future == 3
    assert await future == 3
    given_up: ReplyFuture[int] = ReplyFuture()
    waiting = asyncio.ensure_future(_awaited(given_up))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert given_up.cancelled()


async def _awaited(future: ReplyFuture[int]) -> int:
    return await future
