"""What a viewer id may look like, and the two ways one is kept from saying who it is."""

from __future__ import annotations

import hashlib
import hmac
import re

MAX_VIEWER_ID = 64  # characters; also a constraint of the table
MAX_SUBJECT = 255  # characters of what an issuer calls a viewer (OpenID Connect Core 1.0, 2: `sub`)
VIEWER_ID = re.compile(r"[A-Za-z0-9._:@|+/=~-]{1,64}")  # nothing that JSON or a log line would have to escape
EMAIL_SHAPE = re.compile(r".+@.+\..+")


def is_viewer_id(text: str) -> bool:
    """Whether `text` is 1..64 characters of [A-Za-z0-9._:@|+/=~-] (ASCII only)."""
    return VIEWER_ID.fullmatch(text) is not None


def has_email_shape(viewer_id: str) -> bool:
    """Whether it holds something like x@y.z: such an id names a person and is only taken where pseudonyms are on."""
    return EMAIL_SHAPE.fullmatch(viewer_id) is not None


def is_subject(text: str) -> bool:
    """Whether a pseudonym can be made of `text`: 1..255 characters, none of which is half a surrogate pair."""
    if not 1 <= len(text) <= MAX_SUBJECT:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def pseudonym(subject: str, key: bytes) -> str:
    """The keyed pseudonym that stands for a viewer everywhere behind authentication: 64 hex digits (HMAC-SHA256).

    Of the subject's UTF-8 bytes as they came: what looks alike and is written with other code points is another viewer.
    """
    return hmac.new(key, subject.encode(), hashlib.sha256).hexdigest()
