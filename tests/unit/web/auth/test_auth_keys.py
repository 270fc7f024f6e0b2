"""Keys that are accepted from PEM files and JWK Sets."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from siddes_telemetry.web.auth.keys import MAX_PEM_KEYS, UnusableKeys, read_jwk_set, read_pem, secret_problem
from tests.unit.web.auth.auth_harness import (
    ALGORITHM_OF,
    CURVES,
    ED448,
    KINDS,
    RSA,
    SECRET,
    jwk,
    jwk_set,
    pem,
    private_key,
)

PUBLIC = [*KINDS[:-1]]  # with one kind of EdDSA key; the other has tests of its own


@pytest.mark.parametrize("algorithm", PUBLIC)
def test_pem_keys_are_read_in_order(algorithm: str) -> None:
    first, second = private_key(algorithm), private_key(algorithm, 1)
    text = b"a word of explanation\n" + pem(first) + b"\n# the next one\n" + pem(second)
    assert read_pem(text, algorithm) == [first.public_key(), second.public_key()]


def test_the_older_rsa_form_is_read() -> None:
    key = private_key("RS256").public_key()
    assert read_pem(key.public_bytes(Encoding.PEM, PublicFormat.PKCS1), "RS256") == [key]


@pytest.mark.parametrize("algorithm", PUBLIC)
def test_keys_for_another_algorithm_are_refused(algorithm: str) -> None:
    for other in PUBLIC:
        if other != algorithm and not {other, algorithm} <= set(RSA):
            with pytest.raises(UnusableKeys, match="does not suit"):
                read_pem(pem(private_key(algorithm), private_key(other)), algorithm)


def test_weak_keys_and_other_curves_are_refused() -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    cases: list[tuple[Any, str]] = [
        *((weak, algorithm) for algorithm in RSA),
        (ec.generate_private_key(ec.SECP384R1()), "ES256"),
        (ec.generate_private_key(ec.SECP256K1()), "ES256"),
        (ec.generate_private_key(ec.SECP256R1()), "ES256K"),
        (ec.generate_private_key(ec.BrainpoolP384R1()), "ES384"),
        (ec.generate_private_key(ec.SECP256R1()), "ES512"),
        (x25519.X25519PrivateKey.generate(), "EdDSA"),
    ]
    for key, algorithm in cases:
        text = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        with pytest.raises(UnusableKeys, match="does not suit"):
            read_pem(text, algorithm)


def test_both_kinds_of_eddsa_keys_may_stand_side_by_side() -> None:
    keys = [private_key("EdDSA").public_key(), private_key(ED448).public_key()]
    assert read_pem(pem(private_key("EdDSA"), private_key(ED448)), "EdDSA") == keys
    assert read_jwk_set(jwk_set(jwk("EdDSA"), jwk(ED448)), "EdDSA") == {"k0": keys}


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_a_private_key_in_the_file_is_refused_clearly(form: PrivateFormat) -> None:
    private = private_key("ES256").private_bytes(Encoding.PEM, form, NoEncryption())
    for text in (private, pem(private_key("ES256")) + private):
        with pytest.raises(UnusableKeys, match="private key"):
            read_pem(text, "ES256")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"ssh-ed25519 AAAA",
        b"-----BEGIN PUBLIC KEY-----\n",
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        pem(private_key("ES256")) + pem(private_key("ES256", 1))[:90],  # cut off while being written
        pem(*[private_key("ES256")] * (MAX_PEM_KEYS + 1)),
    ],
)
def test_a_file_without_whole_keys_is_refused(text: bytes) -> None:
    with pytest.raises(UnusableKeys):
        read_pem(text, "ES256")


def test_secrets() -> None:
    assert secret_problem(SECRET[:32]) is None
    for bad in (SECRET[:31], b"", pem(private_key("ES256")), json.dumps({"kty": "oct", "k": "x" * 40}).encode()):
        problem = secret_problem(bad)
        assert problem is not None
        assert bad.decode()[:20] not in problem or not bad


@pytest.mark.parametrize("algorithm", PUBLIC)
def test_a_jwk_set_gives_the_keys_that_suit_by_id(algorithm: str) -> None:
    everything = [jwk(other, number) for other in PUBLIC for number in (0, 1)]
    keys = read_jwk_set(jwk_set({"kty": "oct", "k": "AAAA", "kid": "k0"}, *everything), algorithm)
    assert keys == {f"k{n}": [private_key(algorithm, n).public_key()] for n in (0, 1)}


@pytest.mark.parametrize("algorithm", PUBLIC)
def test_keys_that_say_nothing_of_their_use_are_taken(algorithm: str) -> None:
    bare = {name: value for name, value in jwk(algorithm).items() if name not in {"use", "alg", "kid", "key_ops"}}
    assert list(read_jwk_set(jwk_set(bare), algorithm)) == [None]


@pytest.mark.parametrize("algorithm", PUBLIC)
@pytest.mark.parametrize(
    "change",
    [
        {"use": "enc"},
        {"alg": "HS256"},
        {"alg": "none"},
        {"alg": None},
        {"key_ops": ["sign"]},
        {"key_ops": "verify"},
        {"kty": "oct", "k": base64.urlsafe_b64encode(SECRET).decode()},
        {"kty": None},
        {"d": "AAAA"},
        {"n": "AQAB", "x": "AQAB", "y": "AQAB"},
        {"n": 7, "x": 7, "y": 7},
        {"n": "é", "x": "é", "y": "é"},
        {"n": None, "x": None, "y": None},
        {"n": "", "x": "", "y": ""},
        {"e": "AA", "x": "AA", "crv": "P-256"},
        {"crv": "P-224", "e": {}},
        {"crv": "Ed448", "e": "!"},
    ],
)
def test_a_jwk_for_something_else_is_not_taken(algorithm: str, change: dict[str, Any]) -> None:
    with pytest.raises(UnusableKeys, match="no key that suits"):
        read_jwk_set(jwk_set(jwk(algorithm, **change)), algorithm)
    assert len(read_jwk_set(jwk_set(jwk(algorithm, **change), jwk(algorithm, 1)), algorithm)) == 1


@pytest.mark.parametrize("algorithm", CURVES)
def test_a_jwk_on_another_curve_is_not_taken_whatever_it_says(algorithm: str) -> None:
    for other in CURVES:
        if other != algorithm:
            with pytest.raises(UnusableKeys, match="no key that suits"):
                read_jwk_set(jwk_set(jwk(other, alg=algorithm)), algorithm)


@pytest.mark.parametrize("algorithm", PUBLIC)
def test_a_published_private_key_vouches_for_nobody(algorithm: str) -> None:
    private = {**jwk(algorithm), **json.loads(ALGORITHM_OF[algorithm].to_jwk(private_key(algorithm)))}
    private.pop("key_ops", None)  # PyJWT says "sign" there, which would be refused anyway
    assert "d" in private
    with pytest.raises(UnusableKeys):
        read_jwk_set(jwk_set(private), algorithm)


def test_a_short_rsa_key_in_a_set_is_not_taken() -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key()
    with pytest.raises(UnusableKeys):
        read_jwk_set(jwk_set(json.loads(ALGORITHM_OF["RS256"].to_jwk(weak))), "RS256")


@pytest.mark.parametrize(
    "document", [b"", b"null", b"[]", b"{}", b'{"keys":{}}', b'{"keys":[7,null]}', b"\xff", b"[" * 9999]
)
def test_what_is_no_jwk_set_is_refused(document: bytes) -> None:
    with pytest.raises(UnusableKeys) as caught:
        read_jwk_set(document, "RS256")
    assert caught.value.__cause__ is None


_MEMBERS = ["n", "e", "x", "y", "crv", "use", "alg", "kid", "key_ops"]
_VALUES: Any = st.sampled_from(
    [None, True, 0, -1, 2**70, 0.5, "", "AQAB", "é", "=", "P-256", "Ed25519", "sig", [], ["verify"], {}]
)
_VALUES |= st.text("AB_-=", max_size=60)


@given(st.sampled_from(PUBLIC), st.dictionaries(st.sampled_from(_MEMBERS), _VALUES, max_size=4))
def test_any_jwk_is_a_key_or_left_out(algorithm: str, changes: dict[str, Any]) -> None:
    keys = read_jwk_set(jwk_set({**jwk(algorithm), **changes}, jwk(algorithm, 1)), algorithm)
    assert "k1" in keys
