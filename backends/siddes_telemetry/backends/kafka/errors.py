"""Translates aiokafka's exceptions into LogUnavailable, with the reasons and words of failures.py."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from aiokafka.errors import ConsumerStoppedError, KafkaError

from siddes_telemetry.backends.kafka.failures import Rights, failure_of
from siddes_telemetry.backends.ports.errors import LogUnavailable

ANSWER_S = 30.0  # a coordinator may take some seconds to load after a broker's start

# TimeoutError is an OSError. A ValueError means bytes that do not decode, such as a header name that is not UTF-8.
DRIVER_ERRORS = (KafkaError, ConsumerStoppedError, OSError, ValueError)
NO_RIGHTS = Rights()


def log_unavailable(error: BaseException, rights: Rights) -> LogUnavailable:
    """The error to raise for one of the driver's. `rights`: those that the failed request needs."""
    failure = failure_of(error, rights)
    return LogUnavailable(failure.problem, reason=failure.reason, remedy=failure.remedy)


@contextmanager
def driver_errors_translated(rights: Rights = NO_RIGHTS) -> Iterator[None]:
    """Raises LogUnavailable for what the driver raises inside. `rights`: those that the requests inside need."""
    try:
        yield
    except DRIVER_ERRORS as error:
        raise log_unavailable(error, rights) from None


@asynccontextmanager
async def answered_in_time(rights: Rights) -> AsyncIterator[None]:
    """Raises LogUnavailable for what the driver raises inside, and if that takes longer than ANSWER_S."""
    with driver_errors_translated(rights):
        async with asyncio.timeout(ANSWER_S):
            yield
