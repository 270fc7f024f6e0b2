"""Characters around a secret that editors and shells add and nobody sees. Pure."""

from __future__ import annotations

BYTE_ORDER_MARK = "\ufeff"
_INVISIBLE = "\u200b\u2060" + BYTE_ORDER_MARK  # str.isspace does not count these as white space
_QUOTES = ("'", '"')


def form_problem(secret: str) -> str | None:
    """What surrounds the secret but probably is no part of it, with the remedy; or None. Shows no value."""
    if secret.startswith(BYTE_ORDER_MARK):
        return "begins with a byte order mark: save it as UTF-8 without one"
    ends = [where for where, character in (("begins", secret[:1]), ("ends", secret[-1:])) if _is_blank(character)]
    if ends:
        return f"{' and '.join(ends)} with white space (perhaps a carriage return): remove it"
    if len(secret) > 1 and secret[0] == secret[-1] and secret[0] in _QUOTES:
        return "has quotes around it, which would be part of it: remove them"
    return None


def _is_blank(character: str) -> bool:
    return bool(character) and (character.isspace() or character in _INVISIBLE)
