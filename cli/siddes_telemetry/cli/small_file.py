"""Reads a small file that an operator names. A folder, a huge file or an idle pipe is an error, not a hang."""

from __future__ import annotations

import os
import select
import time
from pathlib import Path
from stat import S_ISFIFO, S_ISREG

MAX_BYTES = 1024 * 1024  # registries and secrets have some kilobytes
PIPE_PATIENCE_S = 10.0  # the command in `<(…)` may have to ask a vault


def read_small_file(path: Path) -> bytes:
    """The content of a file or pipe. Raises OSError, or ValueError with a text that does not name the file."""
    mode = path.stat().st_mode
    if not (S_ISREG(mode) or S_ISFIFO(mode)):
        raise ValueError("must be a file, not a folder or device")
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # NONBLOCK: do not wait for a pipe's writer
    try:
        content = _read(descriptor)
    finally:
        os.close(descriptor)
    if len(content) > MAX_BYTES:
        raise ValueError(f"must not be larger than {MAX_BYTES // 1024} KiB")
    return content


def _read(descriptor: int) -> bytes:
    """Everything up to end of file, or MAX_BYTES + 1 bytes."""
    content = bytearray()
    deadline = time.monotonic() + PIPE_PATIENCE_S
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    while len(content) <= MAX_BYTES:
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise ValueError("is a pipe that nothing is written to")
        piece = os.read(descriptor, MAX_BYTES + 1 - len(content))
        if not piece:
            break
        content += piece
    return bytes(content)
