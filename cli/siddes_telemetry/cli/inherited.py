"""What a process inherits from whoever starts it, and must not change what it does.

To be called before anything is imported that looks at it: prometheus-client and chDB read the environment when they are
imported.
"""

from __future__ import annotations

import os
import resource
import sys
import time

PRIVATE_UMASK = 0o077  # nothing that a command makes is for anybody else, whatever the shell's umask
METRICS_FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"  # prometheus-client's own: it would count into files there
_OLDER_METRICS_FOLDER_VARIABLE = "prometheus_multiproc_dir"
# A proxy sees what is sent, passwords too; clickhouse-connect cannot be told to use none.
_PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


def take_over() -> None:
    """Make descriptors, umask, core dumps, time zone and environment ours. Raises OSError without a /dev/null."""
    _open_standard_descriptors()
    os.umask(PRIVATE_UMASK)
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))  # memory holds viewers; prlimit raises it again
    for name in (METRICS_FOLDER_VARIABLE, _OLDER_METRICS_FOLDER_VARIABLE):
        os.environ.pop(name, None)
    for name in _PROXY_VARIABLES:
        os.environ.pop(name, None)
        os.environ.pop(name.upper(), None)
    os.environ["TZ"] = "UTC"  # every time here is UTC; chDB does not start with a zone that it does not know
    time.tzset()


def _open_standard_descriptors() -> None:
    """Put /dev/null where standard input, output or error is closed.

    The next file or socket would get the number: what is printed would go into it, and libuv aborts when it closes one.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
            os.set_inheritable(null, True)  # noqa: FBT003  # positional there
    for name, number in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:  # as Python leaves it where the descriptor was closed
            setattr(sys, name, os.fdopen(number, "w", buffering=1, closefd=False))
