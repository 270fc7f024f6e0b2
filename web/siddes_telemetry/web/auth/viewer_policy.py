"""Which ids authentication lets out, and under what name."""

from __future__ import annotations

from dataclasses import dataclass, field

from siddes_telemetry.schemas.viewer import has_email_shape, is_subject, is_viewer_id, pseudonym


@dataclass(frozen=True, slots=True)
class ViewerPolicy:
    """With a key, what leaves is the pseudonym of any subject; without one, the id itself, unless it names a person."""

    key: bytes | None = field(default=None, repr=False)

    def viewer_id(self, subject: object) -> str | None:
        """The viewer as everything behind authentication knows it, or None where this is nobody's id."""
        if not isinstance(subject, str):
            return None
        if self.key is not None:
            return pseudonym(subject, self.key) if is_subject(subject) else None
        return subject if is_viewer_id(subject) and not has_email_shape(subject) else None
