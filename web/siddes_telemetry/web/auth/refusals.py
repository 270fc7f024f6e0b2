"""The reasons for answering 401. They go to the metric and the log, never into the answer."""

from __future__ import annotations

from enum import StrEnum


class Refusal(StrEnum):
    """In the order of the checks: of several refused credentials, the one that is last here came furthest."""

    no_credentials = "no_credentials"
    not_a_token = "not_a_token"  # noqa: S105  # the name of a reason
    algorithm = "algorithm"
    unknown_key = "unknown_key"
    signature = "signature"
    session = "session"  # the app says that nobody is signed in
    expired = "expired"
    not_yet_valid = "not_yet_valid"
    issuer = "issuer"
    audience = "audience"
    claims = "claims"
    no_subject = "no_subject"
    subject_form = "subject_form"


_ORDER = {reason: position for position, reason in enumerate(Refusal)}


def most_telling(first: Refusal, second: Refusal) -> Refusal:
    """The reason of the credential that came further."""
    return max(first, second, key=_ORDER.__getitem__)


class Refused(Exception):
    """A credential is invalid, and will be if it is sent again. The text is the reason."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(reason.value)
        self.reason = reason
