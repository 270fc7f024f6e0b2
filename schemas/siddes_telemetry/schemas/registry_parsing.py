"""Reads a Registry from a text such as events.toml, or says everything that is wrong with it. Pure.

Each problem has its line, the entry, and the remedy. Messages quote the operator's own file, and nothing else.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from siddes_telemetry.schemas.registry import EVENT_NAME, MAX_EVENT_ID, MAX_REVISION, Event, Rate, Registry
from siddes_telemetry.schemas.toml_lines import TomlLines, line_of_error

MAX_RATES = 64  # a dashboard's page shows them all
MAX_PROBLEMS = 20  # shown at once: a screen
MAX_LABEL_CHARS = 64
MAX_MEANING_CHARS = 400  # of a sentence or two; OpenAPI and the clients' types repeat it
_NAME_RULE = "must be a lower case letter, then lower case letters, digits or _, 64 characters at most"


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong in one place. `line` counts from 1; None where it is not known, or is no one line."""

    text: str
    line: int | None = None

    def __str__(self) -> str:
        return self.text if self.line is None else f"line {self.line}: {self.text}"


class RegistryError(ValueError):
    """The text is not a valid registry. It may quote the operator's own file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        if (more := len(self.problems) - MAX_PROBLEMS) > 0:
            self.problems = (*self.problems[:MAX_PROBLEMS], Problem(f"and {more} more problems"))
        super().__init__("\n".join(map(str, self.problems)))


def parse_registry(text: str) -> Registry:
    """The Registry of an events.toml text. Raises RegistryError with every problem that was found."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RegistryError([Problem(f"not TOML: {error}", line_of_error(error, text))]) from None
    except (ValueError, RecursionError):
        raise RegistryError([Problem("not TOML that can be read: nested too deep, or a number too long")]) from None
    return _Reading(document, TomlLines(text)).registry()


def default_label(name: str) -> str:
    """What people read for a name without a label: `photo_opened` is "Photo opened"."""
    return name.replace("_", " ").capitalize()


class _Entry:
    """One [[event]] or [[rate]]: reads its keys, and adds what is wrong to `problems`."""

    def __init__(self, kind: str, number: int, fields: Mapping[str, object], lines: TomlLines) -> None:
        name = fields.get("name")
        known = isinstance(name, str) and EVENT_NAME.fullmatch(name)
        self.title = f"{kind} {name}" if known else f"{kind} {number}"
        self._fields, self._place, self._lines = fields, (kind, number), lines
        self.problems: list[Problem] = []

    def wrong(self, text: str, key: str | None = None) -> None:
        self.problems.append(Problem(f"{self.title}: {text}", self._lines.of(*self._place, key)))

    def check_keys(self, required: Sequence[str], optional: Sequence[str]) -> None:
        for key in self._fields:
            if key == "part":
                self.wrong("`part` is no longer a key: delete the line, and write each rate as a [[rate]]", key)
            elif key not in (*required, *optional):
                self.wrong(f"unknown key {key[:64]!r}: the keys are {', '.join((*required, *optional))}", key)
        for key in required:
            if key not in self._fields:
                self.wrong(f"{key} is missing: add it")

    def name(self, key: str = "name") -> str:
        value = self._fields.get(key, "")
        if key in self._fields and not (isinstance(value, str) and EVENT_NAME.fullmatch(value)):
            self.wrong(f"{key} {_NAME_RULE}", key)
        return value if isinstance(value, str) else ""

    def sentence(self, key: str, limit: int, default: str = "") -> str:
        value = self._fields.get(key, default)
        if not isinstance(value, str) or (not value.strip() and key in self._fields):
            self.wrong(f"{key} must be a text that says something", key)
        elif len(value) > limit and key in self._fields:
            self.wrong(f"{key} must be at most {limit} characters, and has {len(value)}", key)
        elif not value.isprintable() and key in self._fields:
            self.wrong(f"{key} must be one line without control characters", key)
        else:
            return value
        return default

    def id(self) -> int:
        if "id" not in self._fields:
            return 0
        value = self._fields["id"]
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_EVENT_ID:
            self.wrong(f"id must be a whole number from 1 to {MAX_EVENT_ID}", "id")
            return 0
        return value

    def flag(self, key: str) -> bool:
        value = self._fields.get(key, False)
        if not isinstance(value, bool):
            self.wrong(f"{key} must be true or false, without quotes", key)
        return value is True


class _Reading:
    """One document on its way to a Registry."""

    def __init__(self, document: Mapping[str, object], lines: TomlLines) -> None:
        self._document = document
        self._lines = lines
        self._problems: list[Problem] = []

    def registry(self) -> Registry:
        for key in self._document:
            if key not in ("revision", "event", "rate"):
                self._wrong(f"unknown key {key[:64]!r}: only revision, [[event]] and [[rate]] are known", key)
        revision = self._revision()
        events = [self._event(entry) for entry in self._entries("event", MAX_EVENT_ID)]
        if events and all(event.retired for event in events):
            self._wrong("every event is retired, and nothing could be counted: add an event, or take one back in use")
        self._check_ids(events)
        self._check_names("event", [event.name for event in events])
        names = {event.name for event in events if EVENT_NAME.fullmatch(event.name)}
        rates = [self._rate(entry, names) for entry in self._entries("rate", MAX_RATES)]
        self._check_names("rate", [rate.name for rate in rates])
        if self._problems:
            raise RegistryError(sorted(self._problems, key=lambda problem: problem.line or 0))
        return Registry(revision, tuple(events), tuple(rates))

    def _wrong(self, text: str, key: str | None = None) -> None:
        self._problems.append(Problem(text, None if key is None else self._lines.of_key(key)))

    def _revision(self) -> int:
        revision = self._document.get("revision")
        if isinstance(revision, int) and not isinstance(revision, bool) and 1 <= revision <= MAX_REVISION:
            return revision
        remedy = "" if revision is not None else ": write `revision = 1` above the first [[event]]"
        self._wrong(f"revision must be a whole number from 1 to {MAX_REVISION}{remedy}", "revision")
        return 0

    def _entries(self, kind: str, limit: int) -> list[_Entry]:
        entries = self._document.get(kind, [])
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            self._wrong(f"write each {kind} as a table that begins with [[{kind}]], with two brackets", kind)
            return []
        if kind == "event" and not entries:
            self._wrong("there must be at least one [[event]]")
        if len(entries) > limit:
            place = self._lines.of(kind, limit + 1, None)
            self._problems.append(Problem(f"there are {len(entries)} {kind}s: there may be {limit}", place))
        return [_Entry(kind, number, fields, self._lines) for number, fields in enumerate(entries[:limit], 1)]

    def _event(self, entry: _Entry) -> Event:
        entry.check_keys(("name", "id", "meaning"), ("label", "retired"))
        name = entry.name()
        event = Event(
            name=name,
            id=entry.id(),
            meaning=entry.sentence("meaning", MAX_MEANING_CHARS),
            label=entry.sentence("label", MAX_LABEL_CHARS, default_label(name)),
            retired=entry.flag("retired"),
        )
        self._problems += entry.problems
        return event

    def _rate(self, entry: _Entry, events: Collection[str]) -> Rate:
        entry.check_keys(("name", "numerator", "denominator"), ("label",))
        name = entry.name()
        rate = Rate(
            name=name,
            label=entry.sentence("label", MAX_LABEL_CHARS, default_label(name)),
            numerator=self._named_event(entry, "numerator", events),
            denominator=self._named_event(entry, "denominator", events),
        )
        if rate.numerator == rate.denominator != "":
            entry.wrong("numerator and denominator are the same event: the rate would always be 1", "denominator")
        self._problems += entry.problems
        return rate

    @staticmethod
    def _named_event(entry: _Entry, key: str, events: Collection[str]) -> str:
        name = entry.name(key)
        if EVENT_NAME.fullmatch(name) and name not in events:
            near = get_close_matches(name, events, n=1)
            entry.wrong(f"{key} {name} is no event of this file" + (f": is it {near[0]}?" if near else ""), key)
        return name

    def _check_names(self, kind: str, names: Sequence[str]) -> None:
        for number, name in enumerate(names, 1):
            if EVENT_NAME.fullmatch(name) and (first := names.index(name) + 1) < number:
                text = f"{kind} {name}: the name stands twice, first as {kind} {first}: give it another, or delete it"
                self._problems.append(Problem(text, self._lines.of(kind, number, "name")))

    def _check_ids(self, events: Sequence[Event]) -> None:
        unused = max((event.id for event in events), default=0) + 1
        owner: dict[int, str] = {}
        for number, event in enumerate(events, 1):
            title = event.name if EVENT_NAME.fullmatch(event.name) else str(number)
            if event.id and (first := owner.setdefault(event.id, title)) != title:
                remedy = f": give it one that was never used, such as {unused}" if unused <= MAX_EVENT_ID else ""
                text = f"event {title}: id {event.id} is the id of event {first} already{remedy}"
                self._problems.append(Problem(text, self._lines.of("event", number, "id")))
