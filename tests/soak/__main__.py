"""Runs the whole cluster at a steady load for minutes or hours, disturbs it, and says what grew and whether it adds up.

    python -m tests.soak [--minutes N] [--rate N] [--seed S] [--write FILE] [--keep FOLDER]

Ctrl-C ends the run early, with the same final check; a second one ends it at once. Exits 1 if a count was lost or
doubled, if `verify` disagrees, if something failed, or if something grows without bound (growth.py says when).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import tempfile
from pathlib import Path

from tests.infrastructure import downloads
from tests.infrastructure.fetching import cache_folder
from tests.soak.cluster import Plan
from tests.soak.run import soak


def main() -> None:
    """Exit with 0 if all is well."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60.0, help="default: 60; growth is judged from 41 on")
    parser.add_argument("--rate", type=float, default=100.0, help="requests a second; default: 100")
    parser.add_argument(
        "--seed", type=int, help="of the order of disturbances; default: a random one, which is printed"
    )
    parser.add_argument("--write", type=Path, metavar="FILE", help="write what was found there too, as Markdown")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep logs, data and samples there")
    given = parser.parse_args()
    if given.minutes <= 0 or given.rate <= 0:
        parser.error("minutes and rate must be above 0")
    seed = random.SystemRandom().randrange(2**32) if given.seed is None else given.seed
    cache = cache_folder(os.environ)
    jars, libchdb = downloads.kafka_jars(cache), downloads.libchdb(cache)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        place = given.keep or Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        found = asyncio.run(soak(Plan(given.minutes, given.rate, seed), jars, libchdb, place))
    print(found.text, flush=True)
    if given.write is not None:
        given.write.write_text(found.text)
    sys.exit(1 if found.failures else 0)


if __name__ == "__main__":
    try:
        main()
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(130)
