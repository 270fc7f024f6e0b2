"""Free TCP ports of this machine."""

from __future__ import annotations

import random
import socket
from itertools import islice

# Below 32768, where Linux takes ports for outgoing connections from: the port of a server that is down for a moment
# must not be taken by a client, least of all by one that retries this very port and then meets itself.
PORTS = range(15_000, 32_000)


def free_ports(count: int) -> list[int]:
    """`count` different ports that nobody listens on."""
    return list(islice(filter(_is_free, random.sample(PORTS, len(PORTS))), count))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
