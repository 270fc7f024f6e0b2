"""What every suite is given: how long to measure, where things may lie, and how to say how far it is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory


@dataclass(frozen=True, slots=True)
class Bench:
    """`seconds` is what one measurement of load lasts; `cache` keeps peers that were built or fetched."""

    seconds: float
    rounds: int
    cache: Path

    @contextmanager
    def folder(self, name: str) -> Iterator[Path]:
        """A folder for servers and files, gone afterwards."""
        with TemporaryDirectory(prefix=f"bench-{name}-") as folder:
            yield Path(folder)

    def made(self, folder: Path) -> Path:
        """This folder, made."""
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def progress(self, about: str) -> Callable[[str], None]:
        """Says what is being measured, on one line of a terminal, or line by line elsewhere."""

        def say(text: str) -> None:
            if sys.stderr.isatty():
                print(f"\r\033[K{about}, {text}", end="", file=sys.stderr, flush=True)
            else:
                print(f"{about}, {text}", file=sys.stderr, flush=True)

        return say
