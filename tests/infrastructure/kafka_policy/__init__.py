"""A policy of brokers that refuses topic settings.

RefusingPolicy.class was made of RefusingPolicy.java by `javac --release 17 -g:none -cp "$KAFKA_JARS/*"`. It is
committed because a broker's Java runtime has no compiler.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

CLASSES = Path(__file__).parent


def settings(refused: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Settings of a broker that refuses these settings of topics, by the beginning of the topic's name."""
    return {
        "create.topic.policy.class.name": "RefusingPolicy",
        "alter.config.policy.class.name": "RefusingPolicy",
        "refused.settings": ";".join(f"{prefix}={','.join(names)}" for prefix, names in refused.items()),
    }
