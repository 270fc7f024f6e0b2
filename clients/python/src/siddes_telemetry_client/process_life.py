"""What happens to clients when their process forks or ends.

At the end: atexit handlers run while daemon threads still do, after the threads that Python waits for. Ours is there
from the import on, so that those of the app run before it and may count. Forked children of multiprocessing end without
it, but run finalizers of their own.

At a fork: the child has the parent's memory, without its threads. Its clients begin anew, with nothing to send.
"""

from __future__ import annotations

import atexit
import multiprocessing
import multiprocessing.util
import os
import weakref
from typing import Protocol


class Running(Protocol):
    """What sends until it is closed."""

    def discard(self) -> None:
        """Begin to close. Returns at once."""

    def end_close(self) -> bool:
        """Wait for the end, for a bounded time."""

    def let_go(self) -> None:
        """In a forked child: give up what is the parent's."""


class Forkable(Protocol):
    """What has state of one process."""

    def begin_anew(self) -> None:
        """In a forked child: replace the state that is the parent's."""


class ProcessLife:
    """What is to be told of this process's forks and end."""

    def __init__(self) -> None:
        self._clients: weakref.WeakSet[Forkable] = weakref.WeakSet()
        self._running: set[Running] = set()
        self._parents: list[Running] = []  # kept for ever: their destructors would close what the parent uses
        self._finalizer: object = None  # of this child of multiprocessing
        atexit.register(self._at_exit)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._in_child)

    def made(self, client: Forkable) -> None:
        """Tell this client of forks, for as long as somebody refers to it."""
        self._clients.add(client)

    def started(self, running: Running) -> None:
        """Close this at the process's end."""
        self._running.add(running)
        if self._finalizer is None and multiprocessing.parent_process() is not None:
            self._finalizer = multiprocessing.util.Finalize(None, self._at_exit, exitpriority=0)

    def ended(self, running: Running) -> None:
        """This needs no closing any more, or could not be started."""
        self._running.discard(running)

    def _in_child(self) -> None:
        parents = list(self._running)
        self._parents += parents
        self._running.clear()
        self._finalizer = None
        for client in list(self._clients):
            client.begin_anew()
        for running in parents:
            running.let_go()

    def _at_exit(self) -> None:
        """Close all at the same time: together they take as long as the slowest."""
        ending = list(self._running)
        for running in ending:
            running.discard()
        for running in ending:
            running.end_close()


THIS_PROCESS = ProcessLife()
