"""Where the Kafka driver's exceptions end. Their texts name hosts and quote bytes: only their class name goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from aiokafka.errors import ConsumerStoppedError, KafkaError

from siddes_telemetry.backends.ports.errors import LogUnavailable

QUERY_S = 30.0  # a coordinator may take some seconds to load after a broker's start

# uvloop's word for writing to a connection that broke a moment ago, and that aiokafka still holds for whole.
CONNECTION_CLOSED = RuntimeError
# TimeoutError is an OSError. A ValueError is bytes that do not decode, such as a header name that is no UTF-8.
DRIVER_ERRORS = (KafkaError, ConsumerStoppedError, OSError, ValueError, CONNECTION_CLOSED)


@contextmanager
def driver_errors_translated() -> Iterator[None]:
    """What the driver raises inside becomes LogUnavailable."""
    try:
        yield
    except DRIVER_ERRORS as error:
        raise LogUnavailable(f"the log did not answer ({type(error).__name__})") from None


@asynccontextmanager
async def asking() -> AsyncIterator[None]:
    """A question to the log: answered within QUERY_S, or LogUnavailable."""
    with driver_errors_translated():
        async with asyncio.timeout(QUERY_S):
            yield
