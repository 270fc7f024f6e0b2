"""What is said of each failure of Kafka. docs/operations.md has the same reasons, with more words."""

from __future__ import annotations

from collections.abc import Mapping

UNAVAILABLE, ACCESS, VERSION = "unavailable", "access", "version"
MIN_SCRAM_ITERATIONS = 4096  # RFC 7677, 4; Kafka stores none below
MAX_SCRAM_ITERATIONS = 1_000_000  # about a second; Kafka stores at most 16,384
ADD_ACL = "add this ACL for the user of this process"
_PREFIX = "SIDDES_TELEMETRY_KAFKA"

# By reason: (what happened, what to do).
PHRASES: Mapping[str, tuple[str, str]] = {
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
REASONS = (UNAVAILABLE, *PHRASES)
MAY_PASS = frozenset(
    {UNAVAILABLE, "connection_refused", "no_route", "no_answer", "closed", "no_tls", "login_wanted", "token_no_answer"}
)
