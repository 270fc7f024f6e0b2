"""Helpers for tests of authentication: clocks set by hand, keys, tokens, and a scripted server."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt import PyJWS
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from prometheus_client import CollectorRegistry

from siddes_telemetry.schemas.errors import ApiError
from siddes_telemetry.web.auth.authenticator import ViewerAuthenticator
from siddes_telemetry.web.auth.configuration import AuthClocks, AuthConfiguration, TokenConfiguration
from siddes_telemetry.web.auth.factory import make_authenticator
from siddes_telemetry.web.auth.http_client import FetchError, FetchErrorReason
from siddes_telemetry.web.auth.metrics import AuthMetrics
from siddes_telemetry.web.auth.refusals import Refused
from siddes_telemetry.web.auth.signatures import KeySource, SignedToken
from siddes_telemetry.web.credentials import Credentials, KeyRefreshPending

SECRET = b"a secret of thirty-two bytes or more"
NOW = 1_800_000_000.0
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey
ED448 = "EdDSA by Ed448"  # a kind of key of its own, under the algorithm's one name
CURVES: dict[str, Any] = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1, "ES256K": ec.SECP256K1}
RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
KINDS = (*RSA, *CURVES, "EdDSA", ED448)
ALGORITHM_OF: dict[str, Any] = {
    **dict.fromkeys(RSA, RSAAlgorithm),
    **dict.fromkeys(CURVES, ECAlgorithm),
    **dict.fromkeys(("EdDSA", ED448), OKPAlgorithm),
}


class ManualClocks:
    """Both clocks, moved by hand."""

    def __init__(self) -> None:
        self.epoch = NOW
        self.monotonic = 1000.0

    def advance(self, seconds: float) -> None:
        self.epoch += seconds
        self.monotonic += seconds

    @property
    def clocks(self) -> AuthClocks:
        return AuthClocks(lambda: self.epoch, lambda: self.monotonic)


class ScriptedServer:
    """A `Get` whose responses are set by the test. Records the requests; `gate` holds responses back."""

    def __init__(self, status: int = 200, body: bytes = b"") -> None:
        self.status = status
        self.body = body
        self.raises: FetchError | None = None
        self.asked: list[tuple[str, Mapping[str, str]]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(
        self, url: str, headers: Mapping[str, str], *, max_bytes: int, timeout_s: float
    ) -> tuple[int, bytes]:
        assert max_bytes > 0
        assert timeout_s > 0
        self.asked.append((url, headers))
        await self.gate.wait()
        if self.raises is not None:
            raise self.raises
        return self.status, self.body

    @property
    def down(self) -> bool:
        return self.raises is not None

    @down.setter
    def down(self, down: bool) -> None:
        self.raises = FetchError(FetchErrorReason.connection) if down else None


class Metrics(AuthMetrics):
    """AuthMetrics that can be read."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        super().__init__(self.registry)

    def value(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0

    def refused(self) -> dict[str, float]:
        """401s by reason, those that there are."""
        families = [family for family in self.registry.collect() if family.name == "siddes_auth_refusals"]
        samples = [s for family in families for s in family.samples if s.name.endswith("_total") and s.value]
        return {sample.labels["reason"]: sample.value for sample in samples}


def name_of(kind: str) -> str:
    """The algorithm's own name."""
    return "EdDSA" if kind == ED448 else kind


def private_key(kind: str, number: int = 0) -> PrivateKey:
    return _private_key("RSA" if kind in RSA else kind, number)


@cache
def _private_key(kind: str, number: int) -> PrivateKey:  # a key for each number
    if kind in CURVES:
        return ec.generate_private_key(CURVES[kind]())
    match kind:
        case "RSA":
            return rsa.generate_private_key(public_exponent=65537, key_size=2048)
        case "EdDSA":
            return ed25519.Ed25519PrivateKey.generate()
        case _:
            return ed448.Ed448PrivateKey.generate()


def pem(*keys: PrivateKey) -> bytes:
    return b"".join(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo) for key in keys)


def jwk(kind: str, number: int = 0, **changes: object) -> dict[str, object]:
    public = json.loads(ALGORITHM_OF[kind].to_jwk(private_key(kind, number).public_key()))
    return {**public, "use": "sig", "alg": name_of(kind), "kid": f"k{number}", **changes}


def jwk_set(*keys: Mapping[str, object]) -> bytes:
    return json.dumps({"keys": keys}).encode()


def claims(**changes: object) -> dict[str, Any]:
    """Good claims, with changes; None takes one out."""
    all_of_them = {"sub": "viewer-1", "exp": NOW + 3600, **changes}
    return {name: value for name, value in all_of_them.items() if value is not None}


def token(kind: str = "HS256", *, number: int = 0, headers: dict[str, Any] | None = None, **changes: Any) -> str:
    """Signed; `changes` are of claims, of any type."""
    key = SECRET if kind == "HS256" else private_key(kind, number)
    return PyJWS().encode(json.dumps(claims(**changes)).encode(), key, name_of(kind), headers=headers)


def signed(text: str) -> SignedToken:
    """The token as a KeySource gets it."""
    header = jwt.get_unverified_header(text)
    return SignedToken(text, header["alg"], header.get("kid"), PyJWS(algorithms=[header["alg"]]))


async def verification(keys: KeySource, text: str) -> str | int:
    """`ok`, the reason of a refusal, or the Retry-After seconds. Raises AuthenticationUnavailable."""
    try:
        await keys.verified_payload(signed(text))
    except Refused as refused:
        return refused.reason
    except KeyRefreshPending as pending:
        return pending.retry_after_s or 0
    return "ok"


def segment(value: object) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def bearer(text: str) -> Credentials:
    return Credentials(authorization=f"Bearer {text}")


def authenticator(
    configuration: AuthConfiguration | None = None,
    *,
    clocks: ManualClocks | None = None,
    metrics: AuthMetrics | None = None,
) -> ViewerAuthenticator:
    """By default one that takes HS256 tokens."""
    return make_authenticator(
        configuration or AuthConfiguration(tokens=TokenConfiguration(secret=SECRET)),
        metrics=metrics or Metrics(),
        clocks=(clocks or ManualClocks()).clocks,
    )


async def outcome(viewers: ViewerAuthenticator, credentials: Credentials) -> tuple[str, bool] | str:
    """(viewer, by_cookie), or the error code's name."""
    try:
        identity = viewers.cached_identity(credentials.authorization, credentials.cookie)
        identity = identity or await viewers.identify(credentials)
    except ApiError as error:
        return error.code.name
    return identity.viewer_id, identity.by_cookie


async def let_others_run(count: int = 20) -> None:
    """Let other tasks run until all of them wait."""
    for _ in range(count):
        await asyncio.sleep(0)
