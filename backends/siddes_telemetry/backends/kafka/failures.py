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

from siddes_telemetry.backends.kafka.tls_failures import tls_reason
from siddes_telemetry.backends.kafka.token_endpoint import (
    TokenEndpointUnavailable,
    TokenEndpointUntrusted,
    TokenMissing,
    TokenRefused,
)

UNAVAILABLE, ACCESS, VERSION = "unavailable", "access", "version"
ADD_ACL = "add this ACL for the user of this process"
SOME_BROKER = "a broker"
TLS_ALERT = 0x15  # the first byte of a TLS alert, which a TLS port sends where it gets something else
MAX_ANSWER_BYTES = 128 * 1024 * 1024  # more than any answer: what came is not the length of one
MIN_SCRAM_ITERATIONS = 4096  # RFC 7677, 4; Kafka stores none below
MAX_SCRAM_ITERATIONS = 1_000_000  # about a second; Kafka stores at most 16,384
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
    """The rights that some requests need, as in docs/operations.md: `Read on topic siddes.telemetry.v1`."""

    topic: str = "a request"
    group: str = "a request"


@dataclass(frozen=True, slots=True)
class Failure:
    """`reason` is one of REASONS."""

    reason: str
    problem: str
    remedy: str = ""

    @property
    def may_pass(self) -> bool:
        """Whether it may pass without an operator."""
        return self.reason in MAY_PASS


_PREFIX = "SIDDES_TELEMETRY_KAFKA"

# By reason: (what happened, what to do).
_PHRASES: Mapping[str, tuple[str, str]] = {
    "name": ("the host of {broker} has no address", "check the host, and this machine's resolver"),
    "connection_refused": ("{broker} refuses the connection", "check host and port, and whether it runs"),
    "no_route": ("there is no route to {broker}", "check the host, and the network"),
    "no_answer": ("{broker} does not answer in time", "check host, port and firewalls, and whether it runs"),
    "closed": (
        "{broker} closed the connection",
        f"it is stopping, or {_PREFIX}_SECURITY is not what its port wants",
    ),
    "no_tls": (
        "{broker} closed the connection while TLS began",
        f"if its port has no TLS, {_PREFIX}_SECURITY must be plaintext or sasl_plaintext",
    ),
    "tls_wanted": ("the port of {broker} wants TLS", f"set {_PREFIX}_SECURITY to ssl or sasl_ssl"),
    "login_wanted": (
        "{broker} closed the connection at the first request",
        f"if its port wants a login, set {_PREFIX}_SECURITY to sasl_ssl or sasl_plaintext",
    ),
    "no_login": ("the port of {broker} takes no login", f"set {_PREFIX}_SECURITY to ssl or plaintext"),
    "not_kafka": ("{broker} does not answer as Kafka does", "check host and port"),
    "unknown_ca": (
        "the certificate of {broker} is of an unknown CA",
        f"{_PREFIX}_CA_FILE must hold that CA",
    ),
    "other_host": (
        "the certificate of {broker} is for another host",
        f"use a host that it names in {_PREFIX}, and in advertised.listeners",
    ),
    "expired": ("the certificate of {broker} is not valid now", "renew it, or see to this machine's clock"),
    "client_certificate_wanted": (
        "{broker} wants a client certificate",
        f"set {_PREFIX}_CERT_FILE and KAFKA_KEY_FILE",
    ),
    "client_certificate_refused": (
        "{broker} does not accept the client certificate, or its absence",
        f"{_PREFIX}_CERT_FILE must be valid, with its intermediate CAs, and of a CA that the broker trusts",
    ),
    "tls": ("no TLS with {broker}", "it must speak TLS 1.2 or later, with a usable certificate"),
    "mechanism": (
        "{broker} does not offer this kind of login",
        f"set {_PREFIX}_SASL to one that its port offers",
    ),
    "login": ("{broker} refuses user or password", f"check {_PREFIX}_USER and KAFKA_PASSWORD"),
    "login_not_proven": (
        "{broker} does not prove by SCRAM that it knows the password",
        f"check that it is your broker, and that its iterations are {MIN_SCRAM_ITERATIONS} to {MAX_SCRAM_ITERATIONS}",
    ),
    "token_not_accepted": (
        "{broker} does not accept the token",
        f"check {_PREFIX}_TOKEN_URL and KAFKA_SCOPE, and the issuer and audience that the brokers expect",
    ),
    "token_refused": (
        "the token endpoint refuses the client",
        f"check {_PREFIX}_CLIENT_ID, KAFKA_CLIENT_SECRET and KAFKA_SCOPE",
    ),
    "token_no_answer": ("the token endpoint does not answer", f"check {_PREFIX}_TOKEN_URL"),
    "token_tls": (
        "the certificate of the token endpoint is not valid for its host, or of an unknown CA",
        f"check {_PREFIX}_TOKEN_URL; KAFKA_CA_FILE or the system must have the CA",
    ),
    "token_missing": ("the token endpoint answers without a token", f"check {_PREFIX}_TOKEN_URL"),
    ACCESS: ("no permission for {right}", ADD_ACL),
    VERSION: ("{broker} is too old, or too new", "run Kafka 2.1 or later, and a siddes-telemetry of its time"),
}
REASONS = (UNAVAILABLE, *_PHRASES)
MAY_PASS = frozenset(
    {UNAVAILABLE, "connection_refused", "no_route", "no_answer", "closed", "no_tls", "login_wanted", "token_no_answer"}
)

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


def failure_of(error: BaseException, rights: Rights = Rights()) -> Failure:  # it is frozen
    """What the error means, by the first of its causes that has a meaning. `rights`: those that the request needs."""
    broker = SOME_BROKER
    connecting = False
    for each in _causes(error):
        if isinstance(each, FailedAt):
            broker, connecting = each.broker, True
        elif (reason := _reason(each, connecting=connecting)) is not None:
            problem, remedy = _PHRASES[reason]
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
            case ValueError() | LookupError() | AssertionError() if connecting:  # an answer that cannot be decoded
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
