"""Conditional GETs: responses with an ETag, and 304 for a matching If-None-Match (RFC 9110, 8.8.3 and 13.1.2). Pure."""

from __future__ import annotations

import hashlib
import re

from siddes_telemetry.web.routing import Request, Response

_ENTITY_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')


def conditional_response(request: Request, body: bytes) -> Response:
    """200 with the body and its ETag, or 304 if the viewer already has this body."""
    tag = entity_tag(request.viewer_id, body)
    headers = (
        ("ETag", tag),
        ("Cache-Control", "private, no-cache"),
        ("Vary", "Authorization, Cookie"),
    )
    if is_match(request.if_none_match, tag):
        return Response(b"", 304, headers)
    return Response(body, 200, headers)


def entity_tag(viewer_id: str, body: bytes) -> str:
    """A strong entity tag. Equal bodies of different viewers have different tags."""
    digest = hashlib.blake2b(body, digest_size=16, key=viewer_id.encode("ascii"))
    return f'"{digest.hexdigest()}"'


def is_match(if_none_match: str | None, tag: str) -> bool:
    """Whether If-None-Match, a list of tags or `*`, matches this tag by weak comparison. Malformed tags never match."""
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or tag in _ENTITY_TAG.findall(if_none_match)
