"""Turns an authenticated subject into the viewer id that is stored: as it is, or as a keyed pseudonym."""

from __future__ import annotations

from dataclasses import dataclass, field

from siddes_telemetry.schemas.viewer import has_email_shape, is_subject, is_viewer_id, pseudonym


@dataclass(frozen=True, slots=True)
class ViewerPolicy:
    """With a key, the viewer id is a pseudonym of the subject; without one, the subject, if it is no e-mail address."""

    key: bytes | None = field(default=None, repr=False)

    def viewer_id(self, subject: object) -> str | None:
        """The viewer id of this subject, or None if it may not be used as one."""
        if not isinstance(subject, str):
            return None
        if self.key is not None:
            return pseudonym(subject, self.key) if is_subject(subject) else None
        return subject if is_viewer_id(subject) and not has_email_shape(subject) else None
