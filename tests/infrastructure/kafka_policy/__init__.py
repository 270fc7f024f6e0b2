"""A policy of brokers that refuses topic settings."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

SOURCE = Path(__file__).with_name("RefusingPolicy.java")


def compiled(compiler: Path, jars: Path, folder: Path) -> Path:
    """The folder of the policy's class, made by Eclipse's compiler: a broker's Java runtime has none."""
    class_path = ":".join(map(str, sorted(jars.glob("*.jar"))))
    compile_source = ["java", "-jar", str(compiler), "-17", "-proc:none", "-cp", class_path, "-d", str(folder)]
    subprocess.run([*compile_source, str(SOURCE)], check=True)
    return folder


def settings(refused: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Settings of a broker that refuses these settings of topics, by the beginning of the topic's name."""
    return {
        "create.topic.policy.class.name": "RefusingPolicy",
        "alter.config.policy.class.name": "RefusingPolicy",
        "refused.settings": ";".join(f"{prefix}={','.join(names)}" for prefix, names in refused.items()),
    }
