"""A token whose signature is still to be checked, and who checks it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from jwt import PyJWS, PyJWTError

from siddes_telemetry.web.auth.keys import VerificationKey
from siddes_telemetry.web.auth.refusals import Refusal, Refused


@dataclass(frozen=True, slots=True)
class SignedToken:
    """`algorithm` is one that is configured; it and `key_id` are what the token's header claims."""

    text: str = field(repr=False)
    algorithm: str
    key_id: str | None = field(repr=False)
    jws: PyJWS = field(repr=False)

    def payload(self, keys: Sequence[VerificationKey]) -> bytes | None:
        """What one of these keys has signed; None where none of them did."""
        for key in keys:
            try:
                payload: bytes = self.jws.decode_complete(self.text, key, algorithms=[self.algorithm])["payload"]
            except PyJWTError:
                continue
            return payload
        return None


class KeySource(Protocol):
    """Where the verification keys of one algorithm come from."""

    async def payload(self, token: SignedToken) -> bytes:
        """The payload of a token whose signature is good.

        Raises Refused (unknown_key or signature) if none of the keys signed it, KeyRefreshPending if a newer key may
        have, and AuthenticationUnavailable if there are no keys.
        """


class SharedSecret:
    """One HMAC secret."""

    def __init__(self, secret: bytes) -> None:
        self._keys = (secret,)

    async def payload(self, token: SignedToken) -> bytes:
        payload = token.payload(self._keys)
        if payload is None:
            raise Refused(Refusal.signature)
        return payload
