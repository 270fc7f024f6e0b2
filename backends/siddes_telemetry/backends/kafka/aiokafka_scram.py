"""The login by SCRAM (RFC 5802): aiokafka's, which takes any number of iterations from the server.

With a few iterations, whoever answers in the place of a broker can guess the password from our proof. With billions,
each attempt to connect would leave a thread at work for hours, and the process could not end.

Like all modules named aiokafka_*, it uses private parts of aiokafka.
"""

from __future__ import annotations

from aiokafka.conn import ScramAuthenticator

from siddes_telemetry.backends.kafka.failure_words import MAX_SCRAM_ITERATIONS, MIN_SCRAM_ITERATIONS
from siddes_telemetry.backends.kafka.failures import LoginNotProven


class Scram(ScramAuthenticator):  # type: ignore[misc]  # aiokafka ships no types
    """One login. Its steps raise LoginNotProven if the server breaks the protocol, or signs with another password."""

    def create_salted_password(self, salt: bytes, iterations: int) -> None:
        if not MIN_SCRAM_ITERATIONS <= iterations <= MAX_SCRAM_ITERATIONS:
            raise LoginNotProven
        super().create_salted_password(salt, iterations)

    def _step(self, payload: bytes | None) -> tuple[bytes, bool] | None:
        try:
            message: tuple[bytes, bool] | None = super()._step(payload)
        except (ValueError, LookupError):  # their text may hold what the server sent
            raise LoginNotProven from None
        return message
