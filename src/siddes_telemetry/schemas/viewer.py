"""What a viewer id may look like, and the two ways one is kept from saying who it is."""

from __future__ import annotations

import hashlib
import hmac
import re

MAX_VIEWER_ID = 64  # characters; also a constraint of the table
VIEWER_ID = re.compile(r"[A-Za-z0-9._:@-]{1,64}")
EMAIL_SHAPE = re.compile(r"[^@]+@[^@]+\.[^@]+")


def is_viewer_id(text: str) -> bool:
    """Whether `text` is 1..64 characters of [A-Za-z0-9._:@-] (ASCII only)."""
    return VIEWER_ID.fullmatch(text) is not None


def has_email_shape(viewer_id: str) -> bool:
    """Whether it reads like x@y.z: such an id names a person and is only taken where pseudonyms are on."""
    return EMAIL_SHAPE.fullmatch(viewer_id) is not None


def pseudonym(viewer_id: str, key: bytes) -> str:
    """The keyed pseudonym that stands for a viewer everywhere behind authentication: 64 hex digits (HMAC-SHA256)."""
    return hmac.new(key, viewer_id.encode("ascii"), hashlib.sha256).hexdigest()
