"""What can go wrong with a log or a store. None of the texts holds a value that came from outside."""

from __future__ import annotations


class BackendError(Exception):
    """Something a backend could not do."""


class LogUnavailable(BackendError):
    """The log did not answer. An append may or may not have been kept."""


class LogMissing(LogUnavailable):
    """The topic is not there yet: `migrate` makes it."""


class LogStalled(LogUnavailable):
    """The log answers and has records for this reader, and they do not come."""


class StoreFailed(BackendError):
    """What the store answered, or that it did not.

    `reason` is one of clickhouse_errors.REASONS: a word for metrics and readiness. `code` is the store's own error
    number, if it gave one; `remedy` what an operator can do.
    """

    def __init__(self, text: str, *, reason: str, code: int | None = None, remedy: str = "") -> None:
        super().__init__(f"{text}: {remedy}" if remedy else text)
        self.reason = reason
        self.code = code
        self.remedy = remedy

    @property
    def word(self) -> str:
        """The reason, and the number and remedy that belong to it: for readiness."""
        details = [f"error {self.code}"] if self.code is not None else []
        details += [self.remedy] if self.remedy else []
        return f"{self.reason}: {', '.join(details)}" if details else self.reason


class StoreUnavailable(StoreFailed):
    """The store did not answer, or asked for patience ("too many parts"). An insert may or may not have been kept."""

    def __init__(
        self, text: str = "no answer", *, reason: str = "unavailable", code: int | None = None, remedy: str = ""
    ) -> None:
        super().__init__(text, reason=reason, code=code, remedy=remedy)


class StoreMissing(StoreUnavailable):
    """The table is not there yet: `migrate` makes it."""

    def __init__(self, text: str = "no table", *, code: int | None = None) -> None:
        super().__init__(text, reason="missing", code=code, remedy="run siddes-telemetry migrate")


class StoreRefused(StoreFailed):
    """The store will not take this, now or later. `code` is the store's own error number."""

    code: int

    def __init__(self, code: int, *, remedy: str = "") -> None:
        super().__init__(f"refused by the store with its error {code}", reason="refused", code=code, remedy=remedy)


class StoreConflict(BackendError):
    """The tables and this version's registry contradict each other; the text names the events. Needs the operator."""


class PartitionLost(BackendError):
    """This partition may belong to somebody else by now: drop what was cut; rejoin and recover."""


class RecordsGone(BackendError):
    """The log no longer has these offsets; `first` is where it begins now."""

    def __init__(self, first: int) -> None:
        super().__init__(f"the log begins at offset {first}")
        self.first = first
