"""The inherited process environment, made the same for every start: descriptors, umask, core dumps, time zone, proxies.

To be called before prometheus-client and chDB are imported: both read environment variables at import.
"""

from __future__ import annotations

import os
import resource
import sys
import time

PRIVATE_UMASK = 0o077  # files are the owner's only, whatever the shell's umask
METRICS_FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"  # prometheus-client's: it then counts into files there
_OLDER_METRICS_FOLDER_VARIABLE = "prometheus_multiproc_dir"
# A proxy sees everything that is sent, passwords too. clickhouse-connect has no option to ignore these variables.
_PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


def reset_process_environment() -> None:
    """Set what the process inherited to fixed values. Raises OSError without a /dev/null."""
    _open_standard_descriptors()
    os.umask(PRIVATE_UMASK)
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))  # memory holds viewer ids; prlimit can raise it again
    for name in (METRICS_FOLDER_VARIABLE, _OLDER_METRICS_FOLDER_VARIABLE):
        os.environ.pop(name, None)
    for name in _PROXY_VARIABLES:
        os.environ.pop(name, None)
        os.environ.pop(name.upper(), None)
    os.environ["TZ"] = "UTC"  # all times here are UTC; chDB does not start with a zone that it does not know
    time.tzset()


def _open_standard_descriptors() -> None:
    """Open /dev/null where standard input, output or error is closed.

    The next file or socket would get the free number: printed text would go into it, and libuv aborts when it closes a
    standard descriptor.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
            os.set_inheritable(null, True)  # noqa: FBT003  # positional there
    for name, number in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:  # as Python leaves it if the descriptor was closed
            setattr(sys, name, os.fdopen(number, "w", buffering=1, closefd=False))
