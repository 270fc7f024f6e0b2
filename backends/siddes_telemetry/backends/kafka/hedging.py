"""Asks several servers one after the other without waiting for each to fail (as in RFC 8305, section 5)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


async def first_answer(questions: Iterable[Callable[[], Coroutine[Any, Any, T]]], *, stagger_s: float) -> T:
    """The first answer. A further question is asked when the last one has failed, or has had no answer for `stagger_s`.

    `questions` must not be empty. If all fail, raises what the last one to fail raised. Questions that are still open
    are cancelled and awaited.
    """
    waiting: set[asyncio.Task[T]] = set()
    failure: BaseException | None = None
    rest = iter(questions)
    try:
        asked_all = False
        while True:
            if (question := next(rest, None)) is None:
                asked_all = True
            else:
                waiting.add(asyncio.ensure_future(question()))
            if not waiting:
                raise failure or ValueError("no questions")
            done, waiting = await asyncio.wait(
                waiting, timeout=None if asked_all else stagger_s, return_when=asyncio.FIRST_COMPLETED
            )
            failures = {task: error for task in done if (error := task.exception()) is not None}  # all are looked at
            if answered := done - failures.keys():
                return answered.pop().result()
            failure = next(reversed(failures.values()), failure)
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)  # one may fail instead: asyncio would log its text
