"""Why a request is nobody's: one word for each 401, for the metric and the log and never for the answer."""

from __future__ import annotations

from enum import StrEnum


class Refusal(StrEnum):
    """In the order of how far a credential came: where several were tried, the last of these is the most telling."""

    no_credentials = "no_credentials"
    not_a_token = "not_a_token"  # noqa: S105  # the name of a reason
    algorithm = "algorithm"
    unknown_key = "unknown_key"
    signature = "signature"
    session = "session"  # the app said nobody
    expired = "expired"
    not_yet_valid = "not_yet_valid"
    issuer = "issuer"
    audience = "audience"
    claims = "claims"
    no_subject = "no_subject"
    subject_form = "subject_form"


_ORDER = {reason: place for place, reason in enumerate(Refusal)}


def most_telling(first: Refusal, second: Refusal) -> Refusal:
    """That of the credential which came further."""
    return max(first, second, key=_ORDER.__getitem__)


class Refused(Exception):
    """A credential is not taken, and will not be if it comes again as it is. The text is the reason."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(reason.value)
        self.reason = reason
