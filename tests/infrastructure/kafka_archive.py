"""An archive of the classes that a broker loads, for Java to map: with it a broker starts in half the processor time.

It is a dynamic archive (JEP 350), of one Java and of one class path. Java starts without it where it does not fit.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.infrastructure.fetching import fetching
from tests.infrastructure.kafka import QUICK_START, LocalKafka, archive_of


def make_archive(jars: Path) -> None:
    """Write `archive_of(jars)` if it is missing, by a broker that is started and stopped."""
    archive = archive_of(jars)
    with fetching(archive.parent, archive.name) as (folder, done):
        if done:
            return
        print("archiving the broker's classes, once ...", file=sys.stderr, flush=True)
        made = folder / "made.jsa"
        broker = LocalKafka(jars=jars, folder=folder, jvm=(*QUICK_START, f"-XX:ArchiveClassesAtExit={made}"))
        with broker:
            broker.stop()
        checking = ["java", "-Xshare:on", "-XX:+VerifySharedSpaces", f"-XX:SharedArchiveFile={made}"]
        checked = subprocess.run(
            [*checking, "-cp", f"{jars.resolve()}/*", "-version"], capture_output=True, check=False
        )
        if checked.returncode == 0:
            made.rename(archive)
        else:
            print("no archive was written: brokers start without one", file=sys.stderr, flush=True)
