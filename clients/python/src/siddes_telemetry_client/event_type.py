"""The type of an event's name: any str, unless a client is made for the events of one registry.

`siddes-telemetry schema python` prints a module with such clients: Telemetry[Literal["photo_opened", …]].
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import TypeVar  # of the type checker itself: the default (PEP 696) is new in Python 3.13

    EventT_contra = TypeVar("EventT_contra", bound=str, default=str, contravariant=True)
else:
    from typing import TypeVar

    EventT_contra = TypeVar("EventT_contra", bound=str, contravariant=True)
