"""Strings that must not be found again: one for each door they go in by, all around one marker, so that a search for
the marker, in every form that text takes on its way, finds any of them, and the digits after it name the door.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from random import Random
from uuid import UUID

MARKER_DIGITS = 12  # long enough not to occur by chance in a gigabyte, short enough for the last group of a UUID
NUMBER_DIGITS = 4
_END = "77"  # in base64 a text's last digit is not a whole character: let it not be the number's
_AROUND = 64  # bytes each side of a marker in which its door's number is looked for, in whatever form


class Canaries:
    """Digits only: so a canary passes in a name, a number, a path, a host, hex, and half of a UUID."""

    def __init__(self, random: Random) -> None:
        self._marker = f"9{random.randrange(10 ** (MARKER_DIGITS - 1)):0{MARKER_DIGITS - 1}d}"
        self._doors: dict[str, str] = {}
        self._forms = tuple(forms(self._marker))

    def new(self, door: str) -> str:
        """A canary to send through this door."""
        number = f"{len(self._doors):0{NUMBER_DIGITS}d}"
        self._doors[number] = door
        return self._marker + number + _END

    def new_uuid(self, door: str) -> UUID:
        """The same as a batch id."""
        return self._uuid(self.new(door)[MARKER_DIGITS:][:NUMBER_DIGITS])

    def found_in(self, data: bytes) -> set[str]:
        """The doors whose canaries these bytes hold."""
        present = [form for form in self._forms if form in data]  # nearly always none, and `in` is the quickest search
        hits = [hit for form in present for hit in re.finditer(re.escape(form), data)]
        return {self._door(data[max(0, hit.start() - _AROUND) : hit.end() + _AROUND]) for hit in hits}

    def _uuid(self, number: str) -> UUID:
        return UUID(f"{number}0000-0000-4000-8000-{self._marker}")

    def _door(self, around: bytes) -> str:
        for number, door in self._doors.items():
            texts = (self._marker + number + _END, str(self._uuid(number)), self._uuid(number).hex)
            if any(form in around for text in texts for form in forms(text)):
                return door
        return "a door"


def forms(digits: str) -> Iterator[bytes]:
    """How a text may have been written down: as it is, UTF-16, hex, percent-encoded, base64 at each of its three
    alignments (so inside a token too), and packed, both ways round, as databases keep UUIDs."""
    text = digits.encode()
    yield text
    yield digits.encode("utf-16-le")
    yield text.hex().encode()
    yield "".join(f"%{byte:02X}" for byte in text).encode()
    for shift in range(3):
        encoded = b64encode(bytes(shift) + text)
        yield encoded[-(-shift * 8 // 6) : (shift + len(text)) * 8 // 6]
    if digits.isdigit():
        packed = bytes.fromhex(digits)
        yield packed
        yield packed[::-1]


class Scan:
    """Looks for canaries, and remembers where it found which. What `viewers` tells is legal in some places, which the
    caller names; the canaries and the secrets are legal nowhere."""

    def __init__(self, planted: Canaries, viewers: Callable[[bytes], set[str]], secrets: Iterable[str]) -> None:
        self._planted = planted
        self._viewers = viewers
        self._secrets = [secret.encode() for secret in secrets]
        self.findings: set[str] = set()
        self.viewers_seen: set[str] = set()
        """The places that may hold viewers, and do: a scan that finds them nowhere has read nothing."""

    def look(self, place: str, data: bytes, *, may_hold_viewers: bool = False) -> None:
        """Search this."""
        found = self._planted.found_in(data)
        found |= {"a secret of the settings" for secret in self._secrets if secret in data}
        viewers = self._viewers(data)
        if viewers and may_hold_viewers:
            self.viewers_seen.add(place)
        else:
            found |= viewers
        self.findings |= {f"{door}, in {place}" for door in found}

    def look_below(self, folder: Path, may_hold_viewers: Callable[[Path], bool]) -> None:
        """Search every file below a folder, their names too."""
        for path in sorted(folder.rglob("*")):
            name = str(path.relative_to(folder))
            self.look("a file's name", name.encode())
            if path.is_file():
                data = path.read_bytes().rstrip(b"\0") + b"\0"  # an index that Kafka makes beforehand is 10 MB of zeros
                self.look(name, data, may_hold_viewers=may_hold_viewers(path))
