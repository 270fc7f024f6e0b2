"""What editors, shells and files of variables leave around a secret, and nobody sees. Pure."""

from __future__ import annotations

BYTE_ORDER_MARK = "\ufeff"
_UNSEEN = "\u200b\u2060" + BYTE_ORDER_MARK  # what str.strip does not count as white space
_QUOTES = ("'", '"')


def form_problem(secret: str) -> str | None:
    """What stands around the secret and hardly belongs to it, with the remedy; None if nothing does. Shows no value."""
    if secret.startswith(BYTE_ORDER_MARK):
        return "begins with a byte order mark: save it as UTF-8 without one"
    ends = [where for where, character in (("begins", secret[:1]), ("ends", secret[-1:])) if _is_unseen(character)]
    if ends:
        return f"{' and '.join(ends)} with white space (a carriage return, perhaps): take it off"
    if len(secret) > 1 and secret[0] == secret[-1] and secret[0] in _QUOTES:
        return "has quotes around it, which are taken as part of it: take them off"
    return None


def _is_unseen(character: str) -> bool:
    return bool(character) and (character.isspace() or character in _UNSEEN)
