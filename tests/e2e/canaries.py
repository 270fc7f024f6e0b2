"""Unique strings that a test sends in, and a search for them in everything that comes out.

Every canary contains the run's marker, then a number that says where the canary was sent (its origin). One search for
the marker, in each encoding that text may take, finds them all.
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
_AROUND = 64  # bytes on each side of a marker that are searched for the origin's number


class Canaries:
    """Canaries are digits only, so that one fits into a name, a number, a path, a host, hex, and half of a UUID."""

    def __init__(self, random: Random) -> None:
        self._marker = f"9{random.randrange(10 ** (MARKER_DIGITS - 1)):0{MARKER_DIGITS - 1}d}"
        self._origins: dict[str, str] = {}
        self._forms = tuple(forms(self._marker))

    def new(self, origin: str) -> str:
        """Returns a canary to send at this origin."""
        number = f"{len(self._origins):0{NUMBER_DIGITS}d}"
        self._origins[number] = origin
        return self._marker + number + _END

    def new_uuid(self, origin: str) -> UUID:
        """Returns one in the form of a batch id."""
        return self._uuid(self.new(origin)[MARKER_DIGITS:][:NUMBER_DIGITS])

    def found_in(self, data: bytes) -> set[str]:
        """Returns the origins of the canaries in these bytes."""
        present = [form for form in self._forms if form in data]  # nearly always none, and `in` is the quickest search
        hits = [hit for form in present for hit in re.finditer(re.escape(form), data)]
        return {self._origin_of(data[max(0, hit.start() - _AROUND) : hit.end() + _AROUND]) for hit in hits}

    def _uuid(self, number: str) -> UUID:
        return UUID(f"{number}0000-0000-4000-8000-{self._marker}")

    def _origin_of(self, around: bytes) -> str:
        for number, origin in self._origins.items():
            texts = (self._marker + number + _END, str(self._uuid(number)), self._uuid(number).hex)
            if any(form in around for text in texts for form in forms(text)):
                return origin
        return "unknown origin"


def forms(digits: str) -> Iterator[bytes]:
    """Yields the encodings of a text: plain, UTF-16, hex, percent, base64 and packed.

    Base64 at each of its three alignments finds it inside a token; packed in both byte orders, in a database's UUID.
    """
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
    """Searches for canaries and secrets, which are legal nowhere, and for viewer ids, which are legal in some places.

    `viewers` returns the viewer ids in some bytes. The caller of `search` says where those are legal.
    """

    def __init__(self, planted: Canaries, viewers: Callable[[bytes], set[str]], secrets: Iterable[str]) -> None:
        self._planted = planted
        self._viewers = viewers
        self._secrets = [secret.encode() for secret in secrets]
        self.findings: set[str] = set()
        self.viewers_seen: set[str] = set()
        """Places where viewer ids are legal and were found: a scan that finds them nowhere has read nothing."""

    def search(self, place: str, data: bytes, *, may_hold_viewers: bool = False) -> None:
        """Add what these bytes contain to the findings."""
        found = self._planted.found_in(data)
        found |= {"a secret of the settings" for secret in self._secrets if secret in data}
        viewers = self._viewers(data)
        if viewers and may_hold_viewers:
            self.viewers_seen.add(place)
        else:
            found |= viewers
        self.findings |= {f"{origin}, in {place}" for origin in found}

    def search_folder(self, folder: Path, may_hold_viewers: Callable[[Path], bool]) -> None:
        """Search every file below a folder, and the file names."""
        for path in sorted(folder.rglob("*")):
            name = str(path.relative_to(folder))
            self.search("a file's name", name.encode())
            if path.is_file():
                data = path.read_bytes().rstrip(b"\0") + b"\0"  # an index that Kafka makes beforehand is 10 MB of zeros
                self.search(name, data, may_hold_viewers=may_hold_viewers(path))
