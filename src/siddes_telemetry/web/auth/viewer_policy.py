"""Which ids authentication lets out, and under what name."""

from __future__ import annotations

from dataclasses import dataclass, field

from siddes_telemetry.schemas.viewer import has_email_shape, is_viewer_id, pseudonym


@dataclass(frozen=True, slots=True)
class ViewerPolicy:
    """With a key, what leaves is the pseudonym; without one, the id itself, unless it names a person."""

    key: bytes | None = field(default=None, repr=False)

    def admitted(self, viewer_id: object) -> str | None:
        """The viewer as everything behind authentication knows it, or None where this is nobody's id."""
        if not isinstance(viewer_id, str) or not is_viewer_id(viewer_id):
            return None
        if self.key is not None:
            return pseudonym(viewer_id, self.key)
        return None if has_email_shape(viewer_id) else viewer_id
