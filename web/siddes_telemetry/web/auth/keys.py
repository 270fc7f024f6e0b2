"""Verification keys: reads PEM files and JWK Sets, and checks that keys suit the algorithm. Pure.

Error texts hold nothing of what was read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias, TypeGuard

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256K1,
    SECP256R1,
    SECP384R1,
    SECP521R1,
    EllipticCurve,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt import PyJWK, PyJWTError, get_algorithm_by_name
from jwt.exceptions import InvalidKeyError

from siddes_telemetry.web.auth.algorithms import ECDSA_ALGORITHMS, EDDSA, HMAC_ALGORITHM

_CURVES: Mapping[str, type[EllipticCurve]] = MappingProxyType(  # RFC 7518, 3.4; RFC 8812, 3.2
    dict(zip(ECDSA_ALGORITHMS, (SECP256R1, SECP384R1, SECP521R1, SECP256K1), strict=True))
)

MIN_SECRET_BYTES = 32  # RFC 7518, 3.2: not shorter than the hash
MIN_RSA_BITS = 2048  # RFC 7518, 3.3
MAX_PEM_KEYS = 10  # a forged token is tried with each, at up to 0.2 ms

PublicKey: TypeAlias = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey | Ed448PublicKey
VerificationKey: TypeAlias = PublicKey | bytes
JwkSet: TypeAlias = Mapping[str | None, Sequence[PublicKey]]  # by key id; None: keys that have none

_PEM_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.+?-----END \1-----", re.DOTALL)


class UnusableKeys(Exception):
    """No usable verification keys. The text says why."""


def secret_problem(secret: bytes) -> str | None:
    """What is wrong with a shared secret, or None."""
    if len(secret) < MIN_SECRET_BYTES:
        return f"must be at least {MIN_SECRET_BYTES} bytes long"
    try:
        get_algorithm_by_name(HMAC_ALGORITHM).prepare_key(secret)
    except InvalidKeyError:
        return "must be random bytes, not a key file or a JWK"
    return None


def read_pem(pem: bytes, algorithm: str) -> Sequence[PublicKey]:
    """The public keys of a PEM file, in order. Raises UnusableKeys."""
    blocks = list(_PEM_BLOCK.finditer(pem))
    if b"PRIVATE KEY-----" in pem:
        raise UnusableKeys("holds a private key: only public keys belong here")
    if not blocks or len(blocks) != pem.count(b"-----BEGIN "):  # the second: half written
        raise UnusableKeys("holds no PEM public key, or half of one")
    if len(blocks) > MAX_PEM_KEYS:
        raise UnusableKeys(f"holds more than {MAX_PEM_KEYS} keys")
    keys: list[PublicKey] = []
    for block in blocks:
        try:
            key = load_pem_public_key(block.group())
        except (ValueError, UnsupportedAlgorithm):
            raise UnusableKeys("holds something that is no PEM public key") from None
        if not _suits(key, algorithm):
            raise UnusableKeys(f"holds a key that does not suit {algorithm} (RSA keys: at least {MIN_RSA_BITS} bits)")
        keys.append(key)
    return keys


def read_jwk_set(document: bytes, algorithm: str) -> JwkSet:
    """The keys of a JWK Set (RFC 7517) that suit the algorithm. Raises UnusableKeys if there are none."""
    try:
        parsed = json.loads(document)
    except (ValueError, RecursionError):
        raise UnusableKeys("is not JSON") from None
    members = parsed.get("keys") if isinstance(parsed, dict) else None
    if not isinstance(members, list):
        raise UnusableKeys("is no JWK Set")
    keys: dict[str | None, list[PublicKey]] = {}
    for member in members:
        if isinstance(member, dict) and (key := _read_jwk(member, algorithm)) is not None:
            key_id = member.get("kid")
            keys.setdefault(key_id if isinstance(key_id, str) else None, []).append(key)
    if not keys:
        raise UnusableKeys(f"has no key that suits {algorithm}")
    return MappingProxyType(keys)


def _read_jwk(jwk: dict[str, object], algorithm: str) -> PublicKey | None:
    """The key, or None if it has another purpose, is not public or is malformed."""
    operations = jwk.get("key_ops")
    if (
        jwk.get("use", "sig") != "sig"
        or jwk.get("alg", algorithm) != algorithm
        or (operations is not None and not (isinstance(operations, list) and "verify" in operations))
    ):
        return None
    try:
        key = PyJWK(jwk, algorithm).key  # raises for another kty
    except (
        PyJWTError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
    ):  # it does not check the types of members
        return None
    except UnsupportedAlgorithm:  # a curve that this OpenSSL does not have
        return None
    return key if _suits(key, algorithm) else None


def _suits(key: object, algorithm: str) -> TypeGuard[PublicKey]:
    if algorithm in _CURVES:
        return isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, _CURVES[algorithm])
    if algorithm == EDDSA:  # RFC 8037, 3.1: the key says which of the two it is
        return isinstance(key, Ed25519PublicKey | Ed448PublicKey)
    return isinstance(key, RSAPublicKey) and key.key_size >= MIN_RSA_BITS
