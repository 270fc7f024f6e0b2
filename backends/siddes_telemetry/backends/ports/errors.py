"""The exceptions of logs and stores. No text holds a value that came from outside."""

from __future__ import annotations


class BackendError(Exception):
    """Base of all exceptions of a backend."""


class LogUnavailable(BackendError):
    """The log did not answer, or refused. It may or may not have kept an append.

    `reason` is one of kafka/failure_words.py's REASONS, for metrics and readiness. `remedy` is what an operator can do.
    """

    def __init__(self, text: str = "no answer", *, reason: str = "unavailable", remedy: str = "") -> None:
        super().__init__(f"{text}: {remedy}" if remedy else text)
        self.reason = reason
        self.remedy = remedy

    @property
    def word(self) -> str:
        """The reason, with what happened and what to do if that is known, for readiness."""
        return f"{self.reason}: {self}" if self.remedy else self.reason


class LogMissing(LogUnavailable):
    """The topic does not exist yet: `migrate` creates it."""

    def __init__(self, text: str = "no topic") -> None:
        super().__init__(text, reason="missing")


class LogStalled(LogUnavailable):
    """The log answers and has records for this reader, but does not return them."""

    def __init__(self, text: str = "no records") -> None:
        super().__init__(text, reason="stalled")


class StoreFailed(BackendError):
    """The store answered with an error, or not at all.

    `reason` is one of clickhouse/errors.py's REASONS, for metrics and readiness. `code` is the store's own error
    number, if there is one. `text` is what happened, `remedy` what an operator can do.
    """

    def __init__(self, text: str, *, reason: str, code: int | None = None, remedy: str = "") -> None:
        super().__init__(f"{text}: {remedy}" if remedy else text)
        self.text = text
        self.reason = reason
        self.code = code
        self.remedy = remedy

    @property
    def word(self) -> str:
        """The reason with its error number and remedy, for readiness."""
        details = [f"error {self.code}"] if self.code is not None else []
        details += [self.remedy] if self.remedy else []
        return f"{self.reason}: {', '.join(details)}" if details else self.reason


class StoreUnavailable(StoreFailed):
    """The store did not answer, or asked to try later ("too many parts"). It may or may not have kept an insert."""

    def __init__(
        self, text: str = "no answer", *, reason: str = "unavailable", code: int | None = None, remedy: str = ""
    ) -> None:
        super().__init__(text, reason=reason, code=code, remedy=remedy)


class StoreMissing(StoreUnavailable):
    """The table does not exist yet: `migrate` creates it."""

    def __init__(self, text: str = "no table", *, code: int | None = None) -> None:
        super().__init__(text, reason="missing", code=code, remedy="run siddes-telemetry migrate")


class StoreRefused(StoreFailed):
    """The store rejects this, now and later. `code` is the store's own error number."""

    code: int

    def __init__(self, code: int, *, remedy: str = "") -> None:
        super().__init__(f"refused by the store with its error {code}", reason="refused", code=code, remedy=remedy)


class StoreConflict(BackendError):
    """The tables contradict the event registry or the settings. The text says how. An operator must act."""


class EventsConflict(StoreConflict):
    """The registry changes events in a way that rows do not allow. The text names each event and the remedy."""


class GroupInUse(BackendError):
    """The consumer group has members: its offsets are theirs."""


class PartitionLost(BackendError):
    """Another member may own this partition by now: drop the pending records, rejoin and recover."""


class RecordsGone(BackendError):
    """The log no longer has these offsets. `first` is where it begins now."""

    def __init__(self, first: int) -> None:
        super().__init__(f"the log begins at offset {first}")
        self.first = first
