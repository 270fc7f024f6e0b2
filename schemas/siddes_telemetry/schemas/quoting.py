"""Names and texts in SQL. Pure."""

from __future__ import annotations


def quote_identifier(name: str) -> str:
    """A name as a back-quoted SQL identifier."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def quote_string(text: str) -> str:
    """A text as an SQL string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
