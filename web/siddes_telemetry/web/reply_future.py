"""A future whose callback runs at once, for replies that wait for the log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")


class ReplyFuture(Generic[Result]):
    """The part of asyncio.Future that a reply needs, except that the callback is called as soon as the result is set.

    asyncio.Future calls it in the next event loop iteration, which costs a request more than its whole validation.
    """

    __slots__ = ("_callback", "_cancelled", "_done", "_error", "_result")

    def __init__(self) -> None:
        self._callback: Callable[[ReplyFuture[Result]], None] | None = None
        self._done = False
        self._cancelled = False
        self._error: BaseException | None = None
        self._result: Result | None = None

    def done(self) -> bool:
        return self._done

    def cancelled(self) -> bool:
        return self._cancelled

    def exception(self) -> BaseException | None:
        return self._error

    def result(self) -> Result:
        """The result. Raises the exception that was set, or CancelledError."""
        if self._cancelled:
            raise asyncio.CancelledError
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[return-value]  # it is done

    def set_result(self, result: Result) -> None:
        self._result = result
        self._settle()

    def set_exception(self, error: BaseException) -> None:
        self._error = error
        self._settle()

    def cancel(self) -> bool:
        """False if it is done already."""
        if self._done:
            return False
        self._cancelled = True
        self._settle()
        return True

    def add_done_callback(self, callback: Callable[[ReplyFuture[Result]], None]) -> None:
        """Call this when the result is set, or now if it is. One callback at most."""
        if self._callback is not None:
            raise RuntimeError("there is a callback already")
        self._callback = callback
        if self._done:
            callback(self)

    def _settle(self) -> None:
        if self._done:
            raise asyncio.InvalidStateError
        self._done = True
        callback, self._callback = self._callback, None  # the callback mostly refers to this future: break the cycle
        if callback is None:
            return
        try:
            callback(self)
        except Exception as defect:  # noqa: BLE001 - of the waiter: whoever sets the result has others to reply to
            context = {"message": "a callback failed", "exception": defect}
            asyncio.get_running_loop().call_exception_handler(context)

    def __await__(self) -> Generator[Any, None, Result]:
        if not self._done:
            done = asyncio.get_running_loop().create_future()
            self.add_done_callback(lambda _: None if done.done() else done.set_result(None))
            try:
                yield from done
            except asyncio.CancelledError:
                self.cancel()
                raise
        return self.result()


AnyReplyFuture = ReplyFuture[Result] | asyncio.Future[Result]
