"""Where the Kafka driver's exceptions end. Their texts name hosts and quote bytes: only their class name goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from aiokafka.errors import ConsumerStoppedError, KafkaError

from siddes_telemetry.backends.ports import LogUnavailable

# TimeoutError is an OSError. A ValueError is bytes that do not decode, such as a header name that is no UTF-8.
DRIVER_ERRORS = (KafkaError, ConsumerStoppedError, OSError, ValueError)


@contextmanager
def driver_errors_translated() -> Iterator[None]:
    """What the driver raises inside becomes LogUnavailable."""
    try:
        yield
    except DRIVER_ERRORS as error:
        raise LogUnavailable(f"the log did not answer ({type(error).__name__})") from None
