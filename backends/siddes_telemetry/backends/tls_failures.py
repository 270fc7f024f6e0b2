"""What failed in TLS, by OpenSSL's numbers and names. Pure."""

from __future__ import annotations

import ssl

# X509_V_ERR_… of OpenSSL's x509_vfy.h.
UNKNOWN_CA = frozenset({2, 18, 19, 20, 21})  # no issuer, or one that signed itself
NOT_VALID_NOW = frozenset({9, 10})  # not yet, or no longer
OTHER_HOST = frozenset({62, 64})  # host name, IP address

# Reasons of OpenSSL's sslerr.h where what answers is not TLS.
NOT_TLS = frozenset({"WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"})


def tls_reason(error: ssl.SSLError) -> str:
    """The reason, as kafka/failure_words.py and clickhouse/errors.py name it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _certificate_reason(error.verify_code)
    reason = error.reason or ""
    if "ALERT_CERTIFICATE_REQUIRED" in reason:
        return "client_certificate_wanted"
    # TLS 1.2 has no alert for a certificate that is missing: brokers send bad_certificate.
    if "ALERT" in reason and ("CERTIFICATE" in reason or "UNKNOWN_CA" in reason or "ACCESS_DENIED" in reason):
        return "client_certificate_refused"
    if isinstance(error, ssl.SSLEOFError) or reason in NOT_TLS:
        return "no_tls"
    return "tls"


def _certificate_reason(code: int) -> str:
    if code in UNKNOWN_CA:
        return "unknown_ca"
    if code in NOT_VALID_NOW:
        return "expired"
    return "other_host" if code in OTHER_HOST else "tls"
