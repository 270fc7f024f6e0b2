"""Makes the tokens that a server counts with, signed with the secret that it shares with the gateway."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from base64 import urlsafe_b64encode
from functools import lru_cache
from uuid import UUID

TTL_S = 3600
MIN_TTL_S = 1200  # of which at least half is left when a token is used: a batch is retried for 9 minutes
MIN_SECRET_BYTES = 32  # as the gateway demands
CACHE_CAPACITY = 4096  # tokens, about 2 MB; another one is made in some microseconds

_HEADER = b'{"alg":"HS256","typ":"JWT"}'


def viewer_token(
    secret: str | bytes,
    viewer: str | int | UUID,
    *,
    issuer: str | None = None,
    audience: str | None = None,
    claim: str = "sub",
    ttl_s: int = TTL_S,
) -> str:
    """The bearer token of this viewer, valid for `ttl_s / 2` to `ttl_s` seconds from now.

    Call it for every count: within half a `ttl_s` it returns the same token, so that calls share a batch.
    `secret` is the gateway's JWT_SECRET, `issuer`, `audience` and `claim` its JWT_ISSUER, JWT_AUDIENCE and JWT_CLAIM.
    `viewer` is the app's own id of its user, as in that user's tokens or sessions. The gateway judges its form.

    Raises TypeError where secret or viewer is of another type, ValueError for a secret that the gateway would not take
    (bytes are taken as they are, white space at either end too) and for a `ttl_s` below 20 minutes.
    """
    if not isinstance(secret, (str, bytes)) or not isinstance(viewer, (str, int, UUID)) or isinstance(viewer, bool):
        raise TypeError("secret must be of type str or bytes, viewer of type str, int or UUID")
    if isinstance(secret, str) and secret != secret.strip():
        raise ValueError("the secret begins or ends with white space: strip it")
    key = secret.encode() if isinstance(secret, str) else secret
    if len(key) < MIN_SECRET_BYTES:
        raise ValueError(f"the secret must have at least {MIN_SECRET_BYTES} bytes")
    if ttl_s < MIN_TTL_S:
        raise ValueError(f"ttl_s must be at least {MIN_TTL_S}: a token must outlive the retries of a batch")
    half_s = ttl_s // 2
    expires_at = (int(time.time()) // half_s + 2) * half_s
    return _signed(key, claim, viewer=str(viewer), issuer=issuer, audience=audience, expires_at=expires_at)


@lru_cache(maxsize=CACHE_CAPACITY)  # takes no lock that a forked child could find held
def _signed(key: bytes, claim: str, *, viewer: str, issuer: str | None, audience: str | None, expires_at: int) -> str:
    """A JWT (RFC 7519) with HS256 (RFC 7518, 3.2)."""
    claims: dict[str, str | int] = {claim: viewer, "exp": expires_at}
    if issuer is not None:
        claims["iss"] = issuer
    if audience is not None:
        claims["aud"] = audience
    signed = _base64url(_HEADER) + b"." + _base64url(json.dumps(claims, separators=(",", ":")).encode())
    signature = hmac.digest(key, signed, hashlib.sha256)
    return (signed + b"." + _base64url(signature)).decode()


def _base64url(data: bytes) -> bytes:
    """RFC 7515, 2: without padding."""
    return urlsafe_b64encode(data).rstrip(b"=")
