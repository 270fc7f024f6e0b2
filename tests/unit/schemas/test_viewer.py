"""Valid viewer ids, and their pseudonyms."""

from __future__ import annotations

import pytest

from siddes_telemetry.schemas.viewer import has_email_shape, is_subject, is_viewer_id, pseudonym

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
