"""Checks of a request's head that depend on nothing but the head."""

from __future__ import annotations

from aiohttp import hdrs
from multidict import CIMultiDictProxy

from siddes_telemetry.schemas.errors import ApiError, ErrorCode
from siddes_telemetry.web import request_body
from siddes_telemetry.web.aiohttp_internals import HttpVersion10, HttpVersion11, RawRequestMessage
from siddes_telemetry.web.auth.request_headers import joined_cookies
from siddes_telemetry.web.loopback import names_loopback

_VERSIONS = (HttpVersion11, HttpVersion10)


def split_target(message: RawRequestMessage) -> tuple[str, str]:
    """Path and query as sent. A proxy's absolute form counts as its path (RFC 9112, 3.2.2)."""
    target = message.path
    if _is_absolute(target):
        return message.url.raw_path, message.url.raw_query_string
    path, _, query = target.partition("?")
    return path, query


def addresses_loopback(message: RawRequestMessage) -> bool:
    """Whether Host names this machine, and the target too if it is absolute: servers differ in which one they obey."""
    if _is_absolute(message.path) and not names_loopback(message.url.raw_authority):
        return False
    return names_loopback(message.headers.get(hdrs.HOST))


def check_http(message: RawRequestMessage) -> None:
    """Refuse what the parser accepts and we do not support. Raises ApiError bad_request."""
    headers = message.headers
    if message.version not in _VERSIONS:
        raise ApiError(ErrorCode.bad_request)
    if hdrs.EXPECT in headers and headers[hdrs.EXPECT].lower() != "100-continue":
        raise ApiError(ErrorCode.bad_request)
    if hdrs.TRANSFER_ENCODING in headers and headers[hdrs.TRANSFER_ENCODING].lower() != "chunked":
        raise ApiError(ErrorCode.bad_request)


def cookies(headers: CIMultiDictProxy[str]) -> str | None:
    """All Cookie lines joined; most requests have none or one."""
    return joined_cookies(headers.getall(hdrs.COOKIE)) if hdrs.COOKIE in headers else None


def check_content(headers: CIMultiDictProxy[str]) -> bool:
    """Check a body's encoding and type. Returns whether it is compressed. Raises ApiError unsupported_type."""
    compressed = request_body.is_gzip(headers.getall(hdrs.CONTENT_ENCODING, ()))
    request_body.check_type(headers.get(hdrs.CONTENT_TYPE))
    return compressed


def _is_absolute(target: str) -> bool:
    return not target.startswith("/") and "://" in target
