"""Works off tasks as Celery does: in forked processes, each of them an event loop of its own."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor

from tests.e2e.python_apps.counting import count

VIEWER = os.environ["VIEWER"]


async def task() -> None:
    await asyncio.to_thread(count, "suggestion_accepted", 2, VIEWER)
    count("suggestion_undo", 3, VIEWER)


def work_off(_: int) -> None:
    asyncio.run(task())


if __name__ == "__main__":
    count("suggestion_shown", 1, VIEWER)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
        list(pool.map(work_off, range(40)))
