"""A PostgreSQL server of the benchmark's own, from Debian's packages: a folder, a Unix socket, one trusted user."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg

from benchmarks.tools.debian import environment, unpacked
from tests.infrastructure.fetching import Unavailable
from tests.infrastructure.process import ServerProcess

PACKAGES = (
    *("postgresql-15", "postgresql-client-15", "libpq5", "libicu72", "libxml2", "libldap-2.5-0", "libsasl2-2"),
    *("libgssapi-krb5-2", "libkrb5-3", "libk5crypto3", "libkrb5support0", "libkeyutils1", "libcom-err2", "libssl3"),
)
PROGRAMS = "usr/lib/postgresql/15/bin"
USER = "postgres"
NOBODY = 65534  # initdb and postgres refuse root

# Durable, and the rest as Debian sets it up.
SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "listen_addresses": "",
    "timezone": "UTC",
    "dynamic_shared_memory_type": "mmap",
}


@contextmanager
def postgres(cache: Path, folder: Path) -> Iterator[str]:
    """A server that runs in this folder, made here; how to connect to it. Raises Unavailable."""
    programs = unpacked(cache, USER, *PACKAGES)
    drop = _unprivileged(folder)
    if drop:  # the cache may lie where that user cannot look
        programs = shutil.copytree(programs, folder / "programs", symlinks=True)
    own = environment(programs)
    data, sockets = folder / "data", folder / "sockets"
    for each in (data, sockets):
        each.mkdir(mode=0o700)
        if drop:
            os.chown(each, NOBODY, NOBODY)
    _initialise([*drop, str(programs / PROGRAMS / "initdb")], data, own)
    command = [*drop, str(programs / PROGRAMS / "postgres"), "-D", str(data), "-k", str(sockets)]
    command += [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
    process = ServerProcess(command, log=folder / "server.log", env=own)
    address = f"host={sockets} user={USER} dbname={USER}"
    try:
        process.wait_until(lambda: _answers(address))
        yield address
    finally:
        process.end(signal.SIGINT)  # its fast shutdown: sessions are ended, shared memory is given back


def _unprivileged(folder: Path) -> Sequence[str]:
    """What to begin a command with that must not run as root; the way to the folder is opened to that user."""
    if os.geteuid():
        return ()
    if shutil.which("setpriv") is None:
        raise Unavailable("no setpriv on the PATH, and PostgreSQL does not run as root")
    folder.mkdir(parents=True, exist_ok=True)
    for each in (folder, folder.parent):
        each.chmod(0o711)
    return ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")


def _initialise(initdb: Sequence[str], data: Path, own: Mapping[str, str]) -> None:
    command = [*initdb, "--pgdata", str(data), "--username", USER, "--auth=trust", "--encoding=UTF8", "--locale=C"]
    ended = subprocess.run(command, env=own, cwd="/", check=False, capture_output=True, text=True)
    if ended.returncode:
        raise Unavailable(f"initdb failed: {ended.stderr.strip()[-500:]}")


def _answers(address: str) -> bool:
    try:
        psycopg.connect(address).close()
    except psycopg.OperationalError:
        return False
    return True
