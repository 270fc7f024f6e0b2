"""Errors whose text is for the operator."""

from __future__ import annotations


class OperatorError(Exception):
    """What ends a command with its text, or the name of its class, as the message. The text shows no outside value."""
