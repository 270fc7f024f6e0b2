"""What an exception of the driver means: a reason, what happened, and what an operator can do. Pure.

The exception's own text is never repeated: it may hold hosts, user names, or what a broker sent. Only its class, the
numbers of OpenSSL and of the protocol, and our settings get into ours.
"""

from __future__ import annotations

import re
import ssl
from asyncio import IncompleteReadError
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from errno import ECONNREFUSED, EHOSTUNREACH, ENETUNREACH
from socket import gaierror

from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    IllegalSaslStateError,
    IncompatibleBrokerVersion,
    KafkaConnectionError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    UnsupportedSaslMechanismError,
    UnsupportedVersionError,
)

from siddes_telemetry.backends.kafka.failure_words import ACCESS, MAY_PASS, PHRASES, UNAVAILABLE, VERSION
from siddes_telemetry.backends.kafka.token_endpoint import (
    TokenEndpointUnavailable,
    TokenEndpointUntrusted,
    TokenMissing,
    TokenRefused,
)
from siddes_telemetry.backends.tls_failures import tls_reason

SOME_BROKER = "a broker"
TLS_ALERT = 0x15  # the first byte of a TLS alert, which a TLS port sends where it gets something else
MAX_ANSWER_BYTES = 128 * 1024 * 1024  # more than any answer: what came is not the length of one
_ERRNO = re.compile(r"\[Errno (\d+)\]")


class LoginWanted(KafkaConnectionError):  # type: ignore[misc]  # aiokafka ships no types
    """A broker closed a connection without a login at the first request that a login would allow."""


class TokenNotAccepted(SaslAuthenticationFailed):  # type: ignore[misc]  # aiokafka ships no types
    """A broker does not accept the access token (RFC 7628, 3.2.2)."""


class LoginNotProven(SaslAuthenticationFailed):  # type: ignore[misc]  # aiokafka ships no types
    """A broker does not prove that it knows the password, or asks for an unsafe number of iterations (RFC 5802)."""


class FailedAt(KafkaConnectionError):  # type: ignore[misc]  # aiokafka ships no types
    """Raised from what failed at one broker. `broker` says in our words which one it is."""

    def __init__(self, broker: str) -> None:
        super().__init__(broker)
        self.broker = broker


@dataclass(frozen=True, slots=True)
class Rights:
    """The rights that some requests need, as in docs/deployment.md: `Read on topic siddes.telemetry.v1`."""

    topic: str = "a request"
    group: str = "a request"


@dataclass(frozen=True, slots=True)
class Failure:
    """`reason` is one of failure_words.py's REASONS."""

    reason: str
    problem: str
    remedy: str = ""

    @property
    def may_pass(self) -> bool:
        """Whether it may pass without an operator."""
        return self.reason in MAY_PASS


_REASON_OF: Mapping[type[BaseException], str] = {
    LoginWanted: "login_wanted",
    TokenNotAccepted: "token_not_accepted",
    LoginNotProven: "login_not_proven",
    SaslAuthenticationFailed: "login",
    UnsupportedSaslMechanismError: "mechanism",
    IllegalSaslStateError: "no_login",
    TokenRefused: "token_refused",
    TokenEndpointUnavailable: "token_no_answer",
    TokenEndpointUntrusted: "token_tls",
    TokenMissing: "token_missing",
    TopicAuthorizationFailedError: ACCESS,
    GroupAuthorizationFailedError: ACCESS,
    ClusterAuthorizationFailedError: ACCESS,
    IncompatibleBrokerVersion: VERSION,
    UnsupportedVersionError: VERSION,
    gaierror: "name",
    TimeoutError: "no_answer",
}
_REASON_OF_ERRNO = {ECONNREFUSED: "connection_refused", EHOSTUNREACH: "no_route", ENETUNREACH: "no_route"}


def failure_of(error: BaseException, rights: Rights = Rights()) -> Failure:
    """What the error means, by the first of its causes that has a meaning. `rights`: those that the request needs."""
    broker = SOME_BROKER
    connecting = False
    for each in _causes(error):
        if isinstance(each, FailedAt):
            broker, connecting = each.broker, True
        elif (reason := _reason(each, connecting=connecting)) is not None:
            problem, remedy = PHRASES[reason]
            right = rights.group if isinstance(each, GroupAuthorizationFailedError) else rights.topic
            return Failure(reason, problem.format(broker=broker, right=right), remedy)
    return Failure(UNAVAILABLE, f"the log did not answer ({type(error).__name__})")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _reason(error: BaseException, *, connecting: bool) -> str | None:
    reason: str | None = next((reason for kind, reason in _REASON_OF.items() if isinstance(error, kind)), None)
    if reason is None:
        match error:
            case ssl.SSLError():
                reason = tls_reason(error)
            case IncompleteReadError(expected=int(length)):
                reason = _reason_of_length(length)
            case ConnectionResetError(args=()):  # asyncio's own, where a peer closes the connection while TLS begins
                reason = "no_tls"
            case OSError() if (number := _number(error)) in _REASON_OF_ERRNO:
                reason = _REASON_OF_ERRNO[number]
            case ConnectionError() | EOFError():
                reason = "closed"
            case ValueError() | LookupError() | AssertionError() | OverflowError() if (
                connecting
            ):  # an answer that cannot be decoded
                reason = "not_kafka"
    return reason


def _number(error: OSError) -> int:
    """The operating system's. asyncio makes one error of those of several addresses, which has theirs in its text."""
    return error.errno or next((int(quoted) for quoted in _ERRNO.findall(str(error))), 0)


def _reason_of_length(length: int) -> str:
    """`length`: the bytes that were awaited when a connection ended. A broker begins each answer with its length."""
    if length >> 24 == TLS_ALERT:
        return "tls_wanted"
    return "not_kafka" if length > MAX_ANSWER_BYTES else "closed"
