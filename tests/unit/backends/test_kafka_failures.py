"""What the driver's exceptions mean, and that nothing of their texts gets into our words."""

from __future__ import annotations

import asyncio
import re
import ssl
from asyncio import IncompleteReadError
from errno import ECONNREFUSED, EHOSTUNREACH
from pathlib import Path
from socket import EAI_AGAIN, gaierror

import pytest
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    CoordinatorNotAvailableError,
    GroupAuthorizationFailedError,
    IllegalSaslStateError,
    IncompatibleBrokerVersion,
    KafkaConnectionError,
    KafkaError,
    NodeNotReadyError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    UnsupportedSaslMechanismError,
)
from structlog.testing import capture_logs

from siddes_telemetry.backends.kafka.errors import log_unavailable
from siddes_telemetry.backends.kafka.failure_report import REFUSAL_S, FailureReport
from siddes_telemetry.backends.kafka.failure_words import REASONS
from siddes_telemetry.backends.kafka.failures import (
    FailedAt,
    LoginNotProven,
    LoginWanted,
    Rights,
    TokenNotAccepted,
    failure_of,
)
from siddes_telemetry.backends.kafka.token_endpoint import (
    TokenEndpointUnavailable,
    TokenEndpointUntrusted,
    TokenMissing,
    TokenRefused,
)
from tests.fakes.virtual_time import in_virtual_time

PAGE = Path(__file__).parents[3] / "docs" / "operations.md"
SAID = "said-by-others"
RIGHTS = Rights(topic="Write on topic counts", group="Read on group ours")


def tls(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, SAID)
    error.reason = reason
    return error


def certificate(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, SAID)
    error.verify_code = code
    return error


# How each looks has been seen on real brokers: tests/integration/test_kafka_words.py has most of them.
ERRORS: list[tuple[Exception, str]] = [
    (gaierror(EAI_AGAIN, SAID), "name"),
    (ConnectionRefusedError(ECONNREFUSED, SAID), "connection_refused"),
    (
        OSError(f"Multiple exceptions: [Errno {ECONNREFUSED}] {SAID}, [Errno {ECONNREFUSED}] {SAID}"),
        "connection_refused",
    ),
    (OSError(EHOSTUNREACH, SAID), "no_route"),
    (TimeoutError(SAID), "no_answer"),
    (IncompleteReadError(b"", 4), "closed"),
    (IncompleteReadError(SAID.encode(), 4711), "closed"),
    (ConnectionResetError(104, SAID), "closed"),
    (ConnectionResetError(), "no_tls"),
    (tls("WRONG_VERSION_NUMBER"), "no_tls"),
    (IncompleteReadError(b"\2\2\50", int.from_bytes(b"\x15\3\3\0")), "tls_wanted"),
    (IncompleteReadError(SAID.encode(), int.from_bytes(b"HTTP")), "not_kafka"),
    (ValueError(SAID), "not_kafka"),
    (KeyError(SAID), "not_kafka"),
    (LoginWanted(SAID), "login_wanted"),
    (IllegalSaslStateError(SAID), "no_login"),
    (certificate(20), "unknown_ca"),
    (certificate(18), "unknown_ca"),
    (certificate(62), "other_host"),
    (certificate(64), "other_host"),
    (certificate(10), "expired"),
    (certificate(9), "expired"),
    (certificate(26), "tls"),
    (tls("TLSV13_ALERT_CERTIFICATE_REQUIRED"), "client_certificate_wanted"),
    (tls("SSLV3_ALERT_BAD_CERTIFICATE"), "client_certificate_refused"),
    (tls("TLSV1_ALERT_UNKNOWN_CA"), "client_certificate_refused"),
    (tls("UNSUPPORTED_PROTOCOL"), "tls"),
    (UnsupportedSaslMechanismError(SAID), "mechanism"),
    (SaslAuthenticationFailed(SAID), "login"),
    (LoginNotProven(SAID), "login_not_proven"),
    (TokenNotAccepted(SAID), "token_not_accepted"),
    (TokenRefused(SAID), "token_refused"),
    (TokenEndpointUnavailable(SAID), "token_no_answer"),
    (TokenEndpointUntrusted(SAID), "token_tls"),
    (TokenMissing(SAID), "token_missing"),
    (TopicAuthorizationFailedError(SAID), "access"),
    (IncompatibleBrokerVersion(SAID), "version"),
    (CoordinatorNotAvailableError(SAID), "unavailable"),
]


@pytest.mark.parametrize(
    ("error", "reason"), ERRORS, ids=[f"{type(error).__name__}, {reason}" for error, reason in ERRORS]
)
def test_a_failed_connection_has_a_reason_and_words_of_our_own(error: Exception, reason: str) -> None:
    failure = failure_of(met_at("broker 2 in SIDDES_TELEMETRY_KAFKA", error), RIGHTS)
    assert failure.reason == reason
    assert bool(failure.remedy) == (reason != "unavailable")
    told = log_unavailable(met_at("broker 2", error), RIGHTS)
    assert SAID not in f"{failure} {told} {told.word}"
    assert told.word.startswith(reason)


def test_the_words_name_the_broker() -> None:
    refused = ConnectionRefusedError(ECONNREFUSED, SAID)
    assert failure_of(met_at("broker 2 in X", refused)).problem == "broker 2 in X refuses the connection"
    assert failure_of(refused).problem == "a broker refuses the connection"


@pytest.mark.parametrize(
    ("error", "right"),
    [
        (TopicAuthorizationFailedError(SAID), RIGHTS.topic),
        (ClusterAuthorizationFailedError(SAID), RIGHTS.topic),  # by InitProducerId, where no topic may be written to
        (GroupAuthorizationFailedError(SAID), RIGHTS.group),
    ],
)
def test_a_missing_acl_is_named_by_what_the_request_needs(error: KafkaError, right: str) -> None:
    failure = failure_of(error, RIGHTS)
    assert (failure.reason, failure.problem) == ("access", f"no permission for {right}")


def test_values_that_cannot_be_decoded_are_another_program_only_while_a_broker_is_connected_to() -> None:
    assert failure_of(ValueError(SAID)).reason == "unavailable"


def test_the_page_has_every_reason() -> None:
    section = PAGE.read_text().partition("\n## Errors of Kafka\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(REASONS)
    assert {reason for _, reason in ERRORS} == set(REASONS)


@in_virtual_time
async def test_a_failure_is_logged_once_until_it_changes_or_ends() -> None:
    report = FailureReport("counts", RIGHTS)
    refused, login = ConnectionRefusedError(ECONNREFUSED, SAID), SaslAuthenticationFailed(SAID)
    with capture_logs() as logs:
        for error in (refused, refused, login, login):
            report.unconnected(error)
        report.connected()
        report.unconnected(login)
    assert [line["reason"] for line in logs] == ["connection_refused", "login", "login"]
    assert SAID not in str(logs)


@in_virtual_time
async def test_a_failed_connection_is_shown_until_there_is_one() -> None:
    report = FailureReport("counts", RIGHTS)
    assert report.current() is None
    report.unconnected(TimeoutError())
    assert shown(report) == "no_answer"
    report.connected()
    assert report.current() is None


@in_virtual_time
async def test_a_refused_request_is_shown_until_one_succeeds_or_some_seconds_have_passed() -> None:
    report = FailureReport("counts", RIGHTS)
    for success in (True, False):
        report.refused(TopicAuthorizationFailedError())
        report.connected()  # says nothing about what is allowed
        assert shown(report) == "access"
        if success:
            report.works()
        else:
            await asyncio.sleep(REFUSAL_S + 1)
        assert report.current() is None


@in_virtual_time
async def test_a_request_without_an_answer_is_not_shown_as_a_refusal() -> None:
    report = FailureReport("counts", RIGHTS)
    assert report.refused(NodeNotReadyError()).reason == "unavailable"
    assert report.current() is None


def met_at(broker: str, error: Exception) -> Exception:
    """As the client raises it."""
    failed: Exception = FailedAt(broker)
    raised: Exception = KafkaConnectionError("no broker gave its metadata")
    failed.__cause__, raised.__cause__ = error, failed
    return raised


def shown(report: FailureReport) -> str | None:
    current = report.current()
    return current.reason if current is not None else None
