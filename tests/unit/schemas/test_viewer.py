"""Valid viewer ids, and their pseudonyms."""

from __future__ import annotations

import pytest

from siddes_telemetry.schemas.viewer import (
    NO_KEY,
    has_email_shape,
    is_subject,
    is_viewer_id,
    key_fingerprint,
    pseudonym,
    same_fingerprint,
)

KEY = b"k" * 32


@pytest.mark.parametrize(
    "viewer",
    ["1", "a" * 64, "auth0|65f1c0ffee", "google-oauth2|1157", "aGk/ZA+b==", "~anna", "urn:uuid:1-2", "svc@host", "@"],
)
def test_a_valid_id(viewer: str) -> None:
    assert is_viewer_id(viewer)
    assert not has_email_shape(viewer)


@pytest.mark.parametrize(
    "text", ["", "a" * 65, "CORP\\anna", "s\u00f8ren", "a b", "a\n", "a,b", 'a"', "\u0664", "a%20"]
)
def test_an_invalid_id(text: str) -> None:
    assert not is_viewer_id(text)


@pytest.mark.parametrize(
    "viewer", ["a@b.c", "a@b@c.d", "anna@mail.example", "auth0|anna@mail.example", "a@b.c@d", "a@@b.c"]
)
def test_an_id_that_names_a_person(viewer: str) -> None:
    assert has_email_shape(viewer)


@pytest.mark.parametrize("subject", ["x", "CORP\\anna", "s\u00f8ren", "a b\0\n", "\U0001f600" * 255])
def test_any_subject_has_a_pseudonym_that_is_an_id(subject: str) -> None:
    assert is_subject(subject)
    assert is_viewer_id(pseudonym(subject, KEY))


@pytest.mark.parametrize("text", ["", "a" * 256, "\U0001f600" * 256, "a\ud800"])
def test_an_invalid_subject(text: str) -> None:
    assert not is_subject(text)


def test_a_pseudonym_is_of_the_bytes_without_normalisation() -> None:
    assert pseudonym("s\u00f8ren", KEY) != pseudonym("so\u0338ren", KEY)
    assert pseudonym("alice", KEY[:16]) == "c9a07ff6d5dfe8bf9682e2d91834b7b1ee1768c205551f8bc6b2b3640e52e21b"  # stored


def test_a_fingerprint_tells_keys_apart() -> None:
    fingerprints = [key_fingerprint(key) for key in (None, KEY, KEY[:16], KEY + b"\0" * 33)]
    assert [[same_fingerprint(one, other) for other in fingerprints] for one in fingerprints] == [
        [number == other for other in range(4)] for number in range(4)
    ]
    assert fingerprints[0] == NO_KEY
    assert fingerprints[2] == "082029c03cd852927155168f3a7c8a4d7166a9a76af21a39e2251c55d9e92db5"  # kept
