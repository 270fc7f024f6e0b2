"""Free TCP ports of this machine."""

from __future__ import annotations

import os
import random
import re
import socket
from collections import deque
from itertools import islice

# Below 32768, where Linux takes ports for outgoing connections from: the port of a server that is down for a moment
# must not be taken by a client, least of all by one that retries this very port and then meets itself.
PORTS = range(15_000, 32_000)
WORKERS = 8  # of a parallel test run: each has ports of its own, since a server listens seconds after it was given them
REMEMBERED = 500  # ports that were given lately are not given again: their servers may be down for a moment

_given: deque[int] = deque(maxlen=REMEMBERED)


def free_ports(count: int) -> list[int]:
    """`count` different ports that nobody listens on."""
    worker = int(re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "")) or 0)
    ours = PORTS[worker % WORKERS :: WORKERS]
    found = list(islice(filter(_is_free, random.sample(ours, len(ours))), count))
    _given.extend(found)
    return found


def _is_free(port: int) -> bool:
    if port in _given:
        return False
    with socket.socket() as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
