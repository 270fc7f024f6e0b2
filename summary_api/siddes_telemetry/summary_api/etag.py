"""Conditional requests: entity tags and If-None-Match (RFC 9110, sections 8.8.3 and 13.1.2). Pure."""

from __future__ import annotations

import hashlib
import re

_ENTITY_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')


def entity_tag(viewer_id: str, body: bytes) -> str:
    """A strong tag of what this viewer is answered: equal bodies of two viewers have different ones."""
    digest = hashlib.blake2b(body, digest_size=16, key=viewer_id.encode("ascii"))
    return f'"{digest.hexdigest()}"'


def is_match(if_none_match: str | None, tag: str) -> bool:
    """Whether the field, a list of tags or `*`, has this one, by weak comparison. What is no tag matches nothing."""
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or tag in _ENTITY_TAG.findall(if_none_match)
