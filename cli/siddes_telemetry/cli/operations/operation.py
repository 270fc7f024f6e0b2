"""An operation has a name, and JSON values as arguments and result, so that a socket can carry them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

Result = dict[str, Any]
Operation = Callable[..., Awaitable[Result]]  # arguments by keyword
Operations = Mapping[str, Operation]  # by name
WITH_PROGRESS = frozenset({"verify"})  # these also take `progress`, a callable
