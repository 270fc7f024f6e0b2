"""Viewer ids: their format, their pseudonyms, and the cookies and header that carry them. Pure."""

from __future__ import annotations

import hashlib
import hmac
import re

MAX_VIEWER_ID = 64  # characters; also a constraint of the table
MAX_SUBJECT = 255  # characters of an issuer's id for a viewer (OpenID Connect Core 1.0, section 2: `sub`)
VIEWER_ID = re.compile(r"[A-Za-z0-9._:@|+/=~-]{1,64}")  # no character that JSON or a log line must escape
EMAIL_SHAPE = re.compile(r".+@.+\..+")

NO_KEY = "none"  # the fingerprint where viewer ids are stored as they are
_FINGERPRINT_OF = b"\xffsiddes-telemetry viewer key"  # not UTF-8: no subject has this pseudonym

DEFAULT_SESSION_COOKIE = "sessionid"
DEV_VIEWER_HEADER = "x-sd-viewer"  # taken in debug mode only, as the cookie is
DEV_VIEWER_COOKIE = "sd_viewer"


def is_viewer_id(text: str) -> bool:
    """Whether `text` is 1..64 characters of [A-Za-z0-9._:@|+/=~-] (ASCII only)."""
    return VIEWER_ID.fullmatch(text) is not None


def has_email_shape(viewer_id: str) -> bool:
    """Whether the id looks like x@y.z: it names a person, and is accepted only if pseudonyms are on."""
    return EMAIL_SHAPE.fullmatch(viewer_id) is not None


def is_subject(text: str) -> bool:
    """Whether `text` can have a pseudonym: 1..255 characters, without lone surrogates."""
    if not 1 <= len(text) <= MAX_SUBJECT:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def pseudonym(subject: str, key: bytes) -> str:
    """The pseudonym that replaces a viewer id everywhere behind authentication: 64 hex digits (HMAC-SHA256).

    Computed over the subject's UTF-8 bytes without normalisation: other code points are another viewer, even if the
    text looks the same.
    """
    return hmac.new(key, subject.encode(), hashlib.sha256).hexdigest()


def key_fingerprint(key: bytes | None) -> str:
    """What tells one key of pseudonyms from another and does not reveal it: 64 hex digits, or NO_KEY."""
    return NO_KEY if key is None else hmac.new(key, _FINGERPRINT_OF, hashlib.sha256).hexdigest()


def same_fingerprint(one: str, other: str) -> bool:
    """Whether two fingerprints are of the same key, in constant time."""
    return hmac.compare_digest(one.encode(), other.encode())
