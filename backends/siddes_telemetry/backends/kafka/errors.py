"""Translates aiokafka's exceptions. Their texts name hosts and quote bytes, so only their class names are kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from aiokafka.errors import ConsumerStoppedError, KafkaError

from siddes_telemetry.backends.ports.errors import LogUnavailable

ANSWER_S = 30.0  # a coordinator may take some seconds to load after a broker's start

# TimeoutError is an OSError. A ValueError means bytes that do not decode, such as a header name that is not UTF-8.
DRIVER_ERRORS = (KafkaError, ConsumerStoppedError, OSError, ValueError)


@contextmanager
def driver_errors_translated() -> Iterator[None]:
    """Raises LogUnavailable for what the driver raises inside."""
    try:
        yield
    except DRIVER_ERRORS as error:
        raise LogUnavailable(f"the log did not answer ({type(error).__name__})") from None


@asynccontextmanager
async def answered_in_time() -> AsyncIterator[None]:
    """Raises LogUnavailable for what the driver raises inside, and if that takes longer than ANSWER_S."""
    with driver_errors_translated():
        async with asyncio.timeout(ANSWER_S):
            yield
