"""What the services have said that an operator would look at."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

LOOKED_AT = frozenset({"warning", "error"})
OF_EACH_REQUEST = "request"  # a 503, which clients count
OF_LIBRARIES = "library_warning"  # aiokafka calls errors what it then tries again

Said = Counter[tuple[str, str]]  # by level and event


def said_in(folder: Path) -> Said:
    """Count the warnings and errors in the logs of all processes that ran, restarts included."""
    said = Said()
    for file in folder.glob("*.log"):
        with file.open() as lines:
            for line in lines:
                if line.startswith("{"):  # the first lines of a process are for people
                    words = json.loads(line)
                    said[words["level"], words["event"]] += 1
    return Said({key: times for key, times in said.items() if key[0] in LOOKED_AT and key[1] != OF_EACH_REQUEST})


def errors(said: Said) -> list[str]:
    """The events that say that something of ours is wrong: no restart, move or freeze is to cause one."""
    return sorted(event for level, event in said if level == "error" and event != OF_LIBRARIES)
