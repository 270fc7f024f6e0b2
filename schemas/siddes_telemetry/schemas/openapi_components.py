"""The pieces that every operation of the OpenAPI document is made of. Pure."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from siddes_telemetry.schemas.errors import ErrorCode

Json = dict[str, Any]

REF = "#/components/schemas/{model}"
_ANY_REQUEST = (ErrorCode.bad_request, ErrorCode.method_not_allowed, ErrorCode.request_timeout, ErrorCode.internal)
_RETRY_AFTER = {ErrorCode.rate_limited.status, ErrorCode.unavailable.status}

HEADERS: Json = {
    "X-Request-Id": {
        "description": "The request's own id, taken over if it is a UUID or 16 to 32 hex digits, else a new one.",
        "schema": {"type": "string"},
    },
    "Retry-After": {
        "description": "Seconds after which sending the same again may help.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "ETag": {"description": "For If-None-Match.", "schema": {"type": "string"}},
    "Allow": {"description": "The methods that this path has.", "schema": {"type": "string"}},
}


def body(model: str, max_bytes: int, example: Json) -> Json:
    """A request body of this model, `max_bytes` at most after decompression."""
    return {
        "required": True,
        "description": f"At most {max_bytes // 1024} KiB of JSON, which may be sent with Content-Encoding: gzip, and "
        "as application/json, as text/plain (so that a browser's beacon needs no preflight) or without a type.",
        "content": {"application/json": {"schema": {"$ref": REF.format(model=model)}, "example": example}},
    }


def answer(model: str, description: str, example: Json) -> Json:
    """A 200 whose body is this model."""
    return {
        "description": description,
        "headers": headers("X-Request-Id"),
        "content": {"application/json": {"schema": {"$ref": REF.format(model=model)}, "example": example}},
    }


def failures(*codes: ErrorCode) -> Json:
    """The error answers of an operation by status; those that any request may meet come with every one."""
    by_status: dict[int, list[ErrorCode]] = {}
    for code in sorted({*_ANY_REQUEST, *codes}, key=list(ErrorCode).index):
        by_status.setdefault(code.status, []).append(code)
    return {str(status): _failure(status, by_status[status]) for status in sorted(by_status)}


def _failure(status: int, codes: list[ErrorCode]) -> Json:
    extra = ["Retry-After"] if status in _RETRY_AFTER else []
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        extra = ["Allow"]
    return {
        "description": " ".join(f"{code.name}: {code.meaning}" for code in codes),
        "x-retriable": all(code.retriable for code in codes),
        "headers": headers("X-Request-Id", *extra),
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "ok": {"const": False},
                        "error": {"type": "string", "enum": [code.name for code in codes]},
                    },
                    "required": ["ok", "error"],
                    "additionalProperties": False,
                },
                "example": {"ok": False, "error": codes[0].name},
            }
        },
    }


def headers(*names: str) -> Json:
    """References to some of HEADERS."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
