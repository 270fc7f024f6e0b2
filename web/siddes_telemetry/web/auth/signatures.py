"""A token whose signature is not verified yet, and the protocol of the key sources that verify it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from jwt import PyJWS, PyJWTError

from siddes_telemetry.web.auth.keys import VerificationKey
from siddes_telemetry.web.auth.refusals import Refusal, Refused


@dataclass(frozen=True, slots=True)
class SignedToken:
    """A token and its header's `alg`, which is a configured one, and `kid`. Neither is trusted."""

    text: str = field(repr=False)
    algorithm: str
    key_id: str | None = field(repr=False)
    jws: PyJWS = field(repr=False)

    def payload_signed_by(self, keys: Sequence[VerificationKey]) -> bytes | None:
        """The payload, if one of these keys signed the token; otherwise None."""
        for key in keys:
            try:
                payload: bytes = self.jws.decode_complete(self.text, key, algorithms=[self.algorithm])["payload"]
            except PyJWTError:
                continue
            return payload
        return None


class KeySource(Protocol):
    """Verifies tokens of one algorithm with its keys: SharedSecret, KeyFile or JwksUrl."""

    async def verified_payload(self, token: SignedToken) -> bytes:
        """The payload of a token whose signature is good.

        Raises Refused (unknown_key or signature) if none of the keys signed it, KeyRefreshPending if a newer key may
        have, and AuthenticationUnavailable if there are no keys.
        """


class SharedSecret:
    """One HMAC secret. A KeySource."""

    def __init__(self, secret: bytes) -> None:
        self._keys = (secret,)

    async def verified_payload(self, token: SignedToken) -> bytes:
        payload = token.payload_signed_by(self._keys)
        if payload is None:
            raise Refused(Refusal.signature)
        return payload
