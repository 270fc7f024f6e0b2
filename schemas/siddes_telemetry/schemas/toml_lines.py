"""Finds the line of a table or key of a TOML text, which tomllib does not say. Pure.

It knows the usual way of writing: `[[event]]` on a line of its own, `key = value` below it. Where a text is written in
another way (inline tables, headers within a string of several lines) it may find no line, or another one.
"""

from __future__ import annotations

import re
import tomllib

_HEADER = re.compile(r"\s*\[\[\s*([A-Za-z0-9_-]+)\s*\]\]")
_KEY = re.compile(r"\s*[\"']?([A-Za-z0-9_-]+)[\"']?\s*=")
_IN_MESSAGE = re.compile(r"\(at line (\d+), column \d+\)")


class TomlLines:
    """The lines, from 1, of one text's arrays of tables and of their keys."""

    def __init__(self, text: str) -> None:
        self._lines: dict[tuple[str, int, str | None], int] = {}
        table, numbers = ("", 0), dict[str, int]()
        for line, written in enumerate(text.split("\n"), 1):
            if header := _HEADER.match(written):
                kind = header[1]
                numbers[kind] = numbers.get(kind, 0) + 1
                table = kind, numbers[kind]
                self._lines[*table, None] = line
            elif key := _KEY.match(written):
                self._lines.setdefault((*table, key[1]), line)

    def of(self, kind: str, number: int, key: str | None) -> int | None:
        """The line of this key in the `number`th [[kind]], or of that table where the key is not there."""
        return self._lines.get((kind, number, key), self._lines.get((kind, number, None)))

    def of_key(self, key: str) -> int | None:
        """The line of this key above all tables, or of the first table of this name."""
        return self._lines.get(("", 0, key), self._lines.get((key, 1, None)))


def line_of_error(error: tomllib.TOMLDecodeError, text: str) -> int:
    """The line that tomllib's message names, or the last one for "(at end of document)"."""
    found = _IN_MESSAGE.search(str(error))
    return int(found[1]) if found else max(1, text.rstrip("\n").count("\n") + 1)
