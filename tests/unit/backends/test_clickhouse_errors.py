from __future__ import annotations

import pytest

from siddes_telemetry.backends.clickhouse.errors import REASONS, failure
from siddes_telemetry.backends.ports.errors import BackendError, StoreMissing, StoreRefused, StoreUnavailable


@pytest.mark.parametrize("code", [26, 27, 36, 117, 469, 691])
def test_wrong_data_is_refused_for_good(code: int) -> None:
    error = failure(code)
    assert isinstance(error, StoreRefused)
    assert error.code == code


@pytest.mark.parametrize("code", [60, 81])
def test_a_missing_table_or_database_is_missing(code: int) -> None:
    assert isinstance(failure(code), StoreMissing)


# time-outs, network, too many queries, memory, read-only, too many parts, setting, access, credentials, keepers, disk,
# one that nobody knows, and no answer at all
@pytest.mark.parametrize("code", [159, 160, 209, 210, 202, 241, 242, 252, 115, 497, 193, 516, 999, 243, 123_456, None])
def test_errors_that_may_pass_or_be_fixed_are_outages(code: int | None) -> None:
    assert type(failure(code)) is StoreUnavailable


def test_the_error_has_clickhouses_number() -> None:
    told: list[BackendError] = [failure(252), failure(60), failure(469)]
    assert ["252" in str(told[0]), "60" in str(told[1]), "469" in str(told[2])] == [True] * 3


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (516, "authentication"),
        (164, "read_only_user"),
        (242, "read_only_table"),
        (201, "quota"),
        (252, "too_many_parts"),
        (243, "disk_full"),
        (75, "disk"),
        (107, "damaged"),  # a file that is gone
        (246, "damaged"),
        (241, "memory"),
        (202, "too_many_queries"),
        (159, "timeout"),
        (158, "limit"),
        (115, "setting"),
        (999, "keeper"),
        (285, "replicas"),
        (279, "cluster"),
        (60, "missing"),
        (469, "refused"),
        (123_456, "unavailable"),
        (None, "unavailable"),
    ],
)
def test_the_word_for_readiness_has_reason_number_and_remedy(code: int | None, reason: str) -> None:
    failed = failure(code, "Code: 1. DB::Exception: secret-7f3a")
    assert failed.reason == reason
    assert reason in REASONS
    assert failed.code == code
    if reason != "unavailable":
        assert failed.remedy
        assert failed.word == f"{reason}: error {code}, {failed.remedy}"
    assert "secret" not in f"{failed} {failed.word}"


def test_a_part_whose_files_end_too_soon_is_damaged_and_a_block_that_does_is_refused() -> None:
    text = "Code: 33. DB::Exception: Cannot read all data: (while {}): While executing. (CANNOT_READ_ALL_DATA)"
    part = failure(33, text.format("reading from part /secret/all_1_1_0/ in table"))
    assert (type(part), part.reason, part.code) == (StoreUnavailable, "damaged", 33)
    assert "secret" not in f"{part} {part.word}"
    assert isinstance(failure(33, text.format("parsing a row")), StoreRefused)
    assert failure(32, text.format("reading from part /secret/all_1_1_0/")).reason == "damaged"
    assert failure(32, text.format("receiving packet from localhost:9000")).reason == "unavailable"


def test_no_answer_is_unavailable_without_number_or_remedy() -> None:
    assert failure(None).word == "unavailable"


GRANT = (
    "Code: 497. DB::Exception: bob: Not enough privileges. To execute this query, it's necessary to have the grant {}."
)


@pytest.mark.parametrize(
    ("needed", "named"),
    [
        ("SELECT ON telemetry.telemetry_counts", "SELECT ON telemetry.telemetry_counts"),
        ("SELECT(viewer_id, count) ON telemetry.telemetry_counts. (Missing permissions: SELECT(count)", None),
        ("INSERT ON telemetry.telemetry_set_asides", "INSERT ON telemetry.telemetry_set_asides"),
        ("ALTER DELETE ON telemetry.telemetry_counts_local", "ALTER DELETE ON telemetry.telemetry_counts_local"),
        ("CREATE DATABASE ON telemetry.*", "CREATE DATABASE ON telemetry.*"),
        ("REMOTE ON *.*", "REMOTE ON *.*"),
        ("CLUSTER ON *.*", "CLUSTER ON *.*"),
        ("TABLE ENGINE ON MergeTree. (ACCESS_DENIED)", "TABLE ENGINE ON MergeTree"),
        ("TABLE ENGINE ON ReplicatedMergeTree. (ACCESS_DENIED)", "TABLE ENGINE ON ReplicatedMergeTree"),
        ("TABLE ENGINE ON Distributed. (ACCESS_DENIED)", "TABLE ENGINE ON Distributed"),
        (
            "SYSTEM SYNC REPLICA ON `telemetry`.`telemetry_counts`",
            "SYSTEM SYNC REPLICA ON telemetry.telemetry_counts",
        ),
    ],
)
def test_a_missing_grant_is_named(needed: str, named: str | None) -> None:
    named = named or "SELECT(viewer_id, count) ON telemetry.telemetry_counts"
    failed = failure(497, GRANT.format(needed), database="telemetry")
    assert failed.remedy == f"GRANT {named} TO the user of SIDDES_TELEMETRY_CLICKHOUSE"


def test_a_database_that_needs_quotes_is_named_with_them() -> None:
    needed = "SELECT(event) ON `a'b\\\\c\\`d. ON x`.telemetry_counts"
    failed = failure(497, GRANT.format(needed), database="a'b\\c`d. ON x")
    assert failed.remedy == f"GRANT {needed} TO the user of SIDDES_TELEMETRY_CLICKHOUSE"


@pytest.mark.parametrize(
    "needed",
    [
        "SELECT ON `telemetry`.secret",
        "SELECT ON secret.telemetry_counts",
        "SELECT ON telemetry.secret",
        "SELECT(secret) ON telemetry.telemetry_counts",
        "SECRET ON telemetry.telemetry_counts",
        "TABLE ENGINE ON Secret",
        "SELECT ON MergeTree_secret",
        "secret",
    ],
)
def test_a_grant_with_unknown_words_is_not_repeated(needed: str) -> None:
    failed = failure(497, GRANT.format(needed), database="telemetry")
    assert "secret" not in str(failed).lower()
    assert failed.reason == "access"


def test_a_setting_is_named_if_it_was_sent() -> None:
    text = "Setting {} should not be changed."
    assert failure(452, text.format("limit"), settings=["limit"]).remedy.endswith(" (limit)")
    assert "secret" not in str(failure(452, text.format("secret"), settings=["limit"]))
