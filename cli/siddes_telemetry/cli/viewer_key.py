"""Keeps a data folder to the VIEWER_KEY that it began with.

Without this, a lost secret would silently begin to store viewer ids as they are, and under another key every viewer
would be a new one. The folder has a fingerprint of its key (backends/sqlite/file.py), never the key.
"""

from __future__ import annotations

from siddes_telemetry.cli.embedded import EmbeddedInstance
from siddes_telemetry.cli.settings import PREFIX, Settings, SettingsError
from siddes_telemetry.schemas.viewer import NO_KEY, key_fingerprint, same_fingerprint

OTHER_FOLDER = f"or use another data folder ({PREFIX}DATA)"


def fingerprint_of(settings: Settings) -> str:
    """The fingerprint of the key in the settings."""
    key = settings.viewer_key
    return key_fingerprint(None if key is None else key.get_secret_value().encode())


async def keep_viewer_key(instance: EmbeddedInstance, settings: Settings) -> None:
    """Return if this instance may count under the key of the settings, and remember its fingerprint.

    An instance without counts takes any key. Raises SettingsError for another key than that of the counts, or
    BackendError.
    """
    given, known = fingerprint_of(settings), await instance.log.key_fingerprint()
    if known is not None and same_fingerprint(given, known):
        return
    if known is not None and await has_counts(instance):
        raise SettingsError([_refusal(given, known)])
    await instance.log.write_key_fingerprint(given)


async def has_counts(instance: EmbeddedInstance) -> bool:
    """Whether the log or the store has any. Raises BackendError."""
    (partition,) = await instance.log.partitions()
    first, end = await partition.bounds()
    return first < end or bool(await instance.store.audit.stored_logs())


def _refusal(given: str, known: str) -> str:
    if known == NO_KEY:
        return f"this data folder has counts under viewer ids as they are: unset {PREFIX}VIEWER_KEY, {OTHER_FOLDER}"
    wrong = "there is none" if given == NO_KEY else "this is another"
    return (
        f"this data folder has counts under pseudonyms of a VIEWER_KEY, and {wrong}: "
        f"set {PREFIX}VIEWER_KEY to the key that it began with, {OTHER_FOLDER}"
    )
