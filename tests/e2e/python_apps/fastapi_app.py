"""A FastAPI app with views of both kinds. uvicorn ends by the signal that it got, so the app closes its client."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from tests.e2e.python_apps.counting import count, telemetry

VIEWER = os.environ["VIEWER"]


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    count("suggestion_shown", 1, VIEWER)
    yield
    await asyncio.to_thread(telemetry.close)


def in_a_thread() -> None:
    count("suggestion_accepted", 2, VIEWER)


async def in_the_loop() -> None:
    count("suggestion_undo", 3, VIEWER)


app = FastAPI(lifespan=lifespan)
app.post("/in-a-thread")(in_a_thread)
app.post("/in-the-loop")(in_the_loop)
