"""The parts that the operations of the OpenAPI document share: bodies, responses, errors, headers. Pure."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from siddes_telemetry.schemas.errors import ErrorCode

Json = dict[str, Any]

REF = "#/components/schemas/{model}"
_EVERY_OPERATION = (ErrorCode.bad_request, ErrorCode.method_not_allowed, ErrorCode.request_timeout, ErrorCode.internal)

HEADERS: Json = {
    "X-Request-Id": {
        "description": "The request's own id if it is a UUID or 16 to 32 hex digits, otherwise a new one.",
        "schema": {"type": "string"},
    },
    "Retry-After": {
        "description": "Seconds after which a retry of the same request may succeed.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "ETag": {"description": "For If-None-Match.", "schema": {"type": "string"}},
    "Allow": {"description": "The methods of this path.", "schema": {"type": "string"}},
}


def body(model: str, max_bytes: int, example: Json) -> Json:
    """A request body of this model; at most `max_bytes` after decompression."""
    return {
        "required": True,
        "description": f"At most {max_bytes // 1024} KiB of JSON. Content-Encoding may be gzip. Content-Type may be "
        "application/json, text/plain (so that a browser's beacon needs no preflight) or missing.",
        "content": {"application/json": {"schema": {"$ref": REF.format(model=model)}, "example": example}},
    }


def answer(model: str, description: str, example: Json) -> Json:
    """A 200 response whose body is this model."""
    return {
        "description": description,
        "headers": headers("X-Request-Id"),
        "content": {"application/json": {"schema": {"$ref": REF.format(model=model)}, "example": example}},
    }


def failures(*codes: ErrorCode) -> Json:
    """The error responses of an operation, by status: these codes and those that every operation has."""
    by_status: dict[int, list[ErrorCode]] = {}
    for code in sorted({*_EVERY_OPERATION, *codes}, key=list(ErrorCode).index):
        by_status.setdefault(code.status, []).append(code)
    return {str(status): _failure(status, by_status[status]) for status in sorted(by_status)}


def _failure(status: int, codes: list[ErrorCode]) -> Json:
    extra = ["Retry-After"] if any(code.retry_after for code in codes) else []
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
