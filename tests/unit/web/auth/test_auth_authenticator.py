"""The authenticator: which credential decides, and what is answered."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siddes_telemetry.schemas.viewer import is_viewer_id, pseudonym
from siddes_telemetry.web.auth.authenticator import ViewerAuthenticator
from siddes_telemetry.web.auth.claims import ClaimRules
from siddes_telemetry.web.auth.configuration import AuthConfiguration, TokenConfiguration
from siddes_telemetry.web.auth.introspection import Introspection
from siddes_telemetry.web.auth.jwks import JwksUrl
from siddes_telemetry.web.auth.signatures import KeySource, SharedSecret, SignedToken
from siddes_telemetry.web.auth.tokens import TokenVerifier
from siddes_telemetry.web.auth.viewer_policy import ViewerPolicy
from siddes_telemetry.web.credentials import Credentials, KeyRefreshPending
from tests.unit.web.auth.auth_harness import (
    NOW,
    SECRET,
    ManualClocks,
    Metrics,
    ScriptedServer,
    authenticator,
    bearer,
    outcome,
    token,
)

KEY = b"a key for pseudonyms"


class Rig:
    """An authenticator with everything on, unless told otherwise; the app elsewhere says who has a session."""

    def __init__(
        self,
        *,
        tokens: bool = True,
        introspection: bool = True,
        debug: bool = True,
        key: bytes | None = None,
        keys: KeySource | None = None,
    ) -> None:
        self.clocks = ManualClocks()
        self.metrics = Metrics()
        self.app = ScriptedServer(200, b'{"viewer_id":"from-app"}')
        viewers = ViewerPolicy(key)
        verifier = TokenVerifier(
            {"HS256": keys or SharedSecret(SECRET)},
            ClaimRules(),
            viewers,
            clocks=self.clocks.clocks,
            metrics=self.metrics,
        )
        asking = Introspection(
            "https://app.example/me",
            "viewer_id",
            viewers,
            get=self.app,
            monotonic_s=self.clocks.clocks.monotonic_s,
            metrics=self.metrics,
        )
        self.authenticator = ViewerAuthenticator(
            tokens=verifier if tokens else None,
            introspection=asking if introspection else None,
            session_cookie="sid",
            viewers=viewers,
            dev_viewer=debug,
            metrics=self.metrics,
        )

    async def decide(
        self,
        authorization: str | None = None,
        cookie: str | None = None,
        header: str | None = None,
        *,
        allow_dev: bool = True,
    ) -> tuple[str, bool] | str:
        return await outcome(self.authenticator, Credentials(authorization, cookie, header, allow_dev))

    def attempts(self, method: str, outcome: str) -> float:
        return self.metrics.value("siddes_auth_attempts_total", method=method, outcome=outcome)


async def test_a_bearer_token_goes_before_everything() -> None:
    rig = Rig()
    good = f"Bearer {token(sub='from-token')}"
    assert await rig.decide(good, f"sid={token(sub='x')}; sd_viewer=y", "z") == ("from-token", False)
    assert rig.app.asked == []


@pytest.mark.parametrize("authorization", ["Bearer", "bearer ", "Bearer x.y.z", f"Bearer {token(exp=NOW - 1)}"])
async def test_a_bad_bearer_token_decides_too(authorization: str) -> None:
    rig = Rig()
    assert await rig.decide(authorization, f"sid={token()}; sd_viewer=dev", "dev") == "no_viewer"
    assert rig.app.asked == []


async def test_a_bearer_token_decides_even_where_no_tokens_are_configured() -> None:
    assert await Rig(tokens=False).decide(f"Bearer {token()}", "sid=opaque", "dev") == "no_viewer"


async def test_another_scheme_decides_nothing() -> None:
    assert await Rig().decide("Basic dXNlcjpwYXNz", "sid=opaque") == ("from-app", True)


@pytest.mark.parametrize("quoted", [False, True])
async def test_a_valid_token_in_the_session_cookie_decides(quoted: bool) -> None:
    rig = Rig()
    value = f'"{token()}"' if quoted else token()
    assert await rig.decide(cookie=f"a=b; sid={value}") == ("viewer-1", True)
    assert rig.app.asked == []


@pytest.mark.parametrize("value", ["opaque", "x.y.z", token(exp=NOW - 1), token(sub="someone@example.org")])
async def test_any_other_session_cookie_is_asked_about(value: str) -> None:
    rig = Rig()
    assert await rig.decide(cookie=f"sid={value}; other=secret", header="dev") == ("from-app", True)
    assert [headers["Cookie"] for _, headers in rig.app.asked] == [f"sid={value}"]


async def test_without_introspection_only_a_valid_token_is_a_session() -> None:
    rig = Rig(introspection=False, debug=False)
    assert await rig.decide(cookie=f"sid={token()}") == ("viewer-1", True)
    for value in ("opaque", "x.y.z", token(exp=NOW - 1)):
        assert await rig.decide(cookie=f"sid={value}") == "no_viewer"
    assert rig.attempts("cookie_jwt", "refused") == 3


async def test_without_tokens_a_token_in_the_cookie_is_a_session_like_any_other() -> None:
    rig = Rig(tokens=False)
    assert await rig.decide(cookie=f"sid={token()}") == ("from-app", True)


async def test_an_app_that_does_not_answer_makes_it_unavailable_dev_viewer_or_not() -> None:
    rig = Rig()
    rig.app.down = True
    assert await rig.decide(cookie="sid=opaque; sd_viewer=dev", header="dev") == "unavailable"
    assert rig.attempts("introspection", "unavailable") == 1


async def test_a_cookie_that_does_not_decide_leaves_it_to_the_dev_viewer() -> None:
    rig = Rig()
    rig.app.status = 401
    assert await rig.decide(cookie="sid=opaque; sd_viewer=from-cookie") == ("from-cookie", True)
    assert await rig.decide(cookie="sid=opaque", header="from-header") == ("from-header", False)
    assert await rig.decide(cookie="sid=opaque") == "no_viewer"


async def test_the_dev_header_goes_before_the_dev_cookie() -> None:
    rig = Rig()
    assert await rig.decide(cookie="sd_viewer=from-cookie", header="from-header") == ("from-header", False)
    assert await rig.decide(cookie="sd_viewer=from-cookie", header="") == ("from-cookie", True)
    assert await rig.decide(cookie="sd_viewer=from-cookie", header="not an id") == "no_viewer"


@pytest.mark.parametrize("bad", ["someone@example.org", "a b", "x" * 65, "é", "٣"])
async def test_a_dev_viewer_is_held_to_the_same_rule(bad: str) -> None:
    assert await Rig().decide(header=bad) == "no_viewer"
    assert await Rig().decide(cookie=f"sd_viewer={bad}") == "no_viewer"


async def test_there_is_no_dev_viewer_outside_debug_or_where_it_is_not_allowed() -> None:
    assert await Rig(debug=False).decide(cookie="sd_viewer=dev", header="dev") == "no_viewer"
    assert await Rig().decide(cookie="sd_viewer=dev", header="dev", allow_dev=False) == "no_viewer"


async def test_nothing_sent_is_nobody() -> None:
    assert await Rig().decide() == "no_viewer"
    assert await Rig().decide("", "", "") == "no_viewer"


class _NoKeys:
    """Keys at a URL that is down."""

    def __init__(self) -> None:
        down = ScriptedServer()
        down.down = True
        self.verified_payload = JwksUrl(
            "https://idp.example/", "ES256", get=down, monotonic_s=lambda: 0.0, metrics=Metrics()
        ).verified_payload


async def test_without_keys_tokens_are_unavailable_but_sessions_can_still_be_asked_about() -> None:
    alone = Rig(keys=_NoKeys(), introspection=False)
    assert await alone.decide(f"Bearer {token()}") == "unavailable"
    assert await alone.decide(cookie=f"sid={token()}", header="dev") == "unavailable"
    assert await alone.decide(cookie="sid=opaque", header="dev") == ("dev", False)
    with_app = Rig(keys=_NoKeys())
    assert await with_app.decide(f"Bearer {token()}") == "unavailable"
    assert await with_app.decide(cookie=f"sid={token()}") == ("from-app", True)
    assert alone.attempts("bearer", "unavailable") == with_app.attempts("cookie_jwt", "unavailable") == 1


async def test_without_keys_the_apps_nobody_is_not_the_last_word() -> None:
    rig = Rig(keys=_NoKeys())
    rig.app.status = 401
    assert await rig.decide(cookie=f"sid={token()}") == "unavailable"
    assert await rig.decide(cookie="sid=opaque") == "no_viewer"
    assert rig.metrics.refused() == {"session": 1}


class _NewerKeys:
    """Keys that may be older than any token."""

    async def verified_payload(self, _: SignedToken) -> bytes:
        raise KeyRefreshPending(retry_after_s=4)


async def test_a_token_whose_key_may_be_newer_is_neither_taken_nor_refused() -> None:
    rig = Rig(keys=_NewerKeys())
    for credentials in (bearer(token()), Credentials(cookie=f"sid={token()}", dev_viewer="dev")):
        rig.app.status = 401
        with pytest.raises(KeyRefreshPending) as caught:
            await rig.authenticator.identify(credentials)
        assert (caught.value.code.name, caught.value.retry_after_s) == ("unavailable", 4)
    assert rig.attempts("bearer", "key_pending") == rig.attempts("cookie_jwt", "key_pending") == 1
    rig.app.status, rig.app.body = 200, b'{"viewer_id":"known-to-the-app"}'
    assert await rig.decide(cookie=f"sid={token(sub='another')}") == ("known-to-the-app", True)
    assert rig.metrics.refused() == {}


async def test_a_pseudonym_is_the_same_through_every_door() -> None:
    rig = Rig(key=KEY)
    rig.app.body = b'{"viewer_id":"someone@example.org"}'
    text = token(sub="someone@example.org")
    expected = pseudonym("someone@example.org", KEY)
    for authorization, cookie, header in (
        (f"Bearer {text}", None, None),
        (f"Bearer {text}", None, None),  # remembered
        (None, f"sid={text}", None),
        (None, "sid=opaque", None),
        (None, "sid=opaque", None),
        (None, "sd_viewer=someone@example.org", None),
        (None, None, "someone@example.org"),
    ):
        decided = await rig.decide(authorization, cookie, header)
        assert decided[0] == expected


async def test_with_pseudonyms_any_subject_is_taken_up_to_its_length() -> None:
    rig = Rig(key=KEY)
    assert await rig.decide(f"Bearer {token(sub='a b')}") == (pseudonym("a b", KEY), False)
    assert await rig.decide(f"Bearer {token(sub=42)}") == (pseudonym("42", KEY), False)
    for too_long in (f"Bearer {token(sub='x' * 256)}", f"Bearer {token(sub=10**255)}"):
        assert await rig.decide(too_long) == "no_viewer"
    assert rig.metrics.refused() == {"subject_form": 2}


async def test_attempts_are_counted_by_kind_and_outcome() -> None:
    rig = Rig()
    await rig.decide(f"Bearer {token()}")
    await rig.decide(f"Bearer {token()}")
    await rig.decide("Bearer x")
    await rig.decide(cookie=f"sid={token()}")
    await rig.decide(cookie="sid=opaque")
    await rig.decide(header="dev")
    await rig.decide(header="no dev")
    for method, result, count in (
        ("bearer", "ok", 2),
        ("bearer", "refused", 1),
        ("cookie_jwt", "ok", 1),
        ("cookie_jwt", "refused", 0),
        ("introspection", "ok", 1),
        ("dev", "ok", 1),
        ("dev", "refused", 1),
    ):
        assert rig.attempts(method, result) == count, (method, result)
    assert rig.metrics.value("siddes_auth_cache_hits_total", cache="token") == 2


EXPIRED, FORGED = token(exp=NOW - 1), token()[:-4] + "AAAA"


@pytest.mark.parametrize(
    ("authorization", "cookie", "header", "reason"),
    [
        (None, None, None, "no_credentials"),
        ("Basic dXNlcjpwYXNz", "other=1; sid=", "", "no_credentials"),
        ("Bearer", None, None, "not_a_token"),
        ("Bearer x", "sid=opaque", "dev", "not_a_token"),
        (f"Bearer {EXPIRED}", "sid=opaque", "dev", "expired"),
        (f"Bearer {FORGED}", None, None, "signature"),
        (None, "sid=opaque", None, "session"),
        (None, "sid=x.y.z", None, "session"),  # no token of ours: the app's word tells more
        (None, f"sid={FORGED}", None, "session"),
        (None, f"sid={EXPIRED}", None, "expired"),  # ours, and why it is not taken
        (None, f"sid={token(sub='a b')}", None, "subject_form"),
        (None, f"sid={EXPIRED}", "no dev", "subject_form"),
        (None, "sid=opaque", "no dev", "subject_form"),
        (None, None, "no dev", "subject_form"),
        (None, "sd_viewer=no dev", None, "subject_form"),
    ],
)
async def test_each_401_has_the_reason_of_the_credential_that_came_furthest(
    authorization: str | None, cookie: str | None, header: str | None, reason: str
) -> None:
    rig = Rig()
    rig.app.status = 401
    assert await rig.decide(authorization, cookie, header) == "no_viewer"
    assert rig.metrics.refused() == {reason: 1}


@pytest.mark.parametrize("named", [b'"a b"', b'"someone@example.org"', b"true", b'["viewer-1"]'])
async def test_somebody_named_by_the_app_who_can_be_no_viewer_is_not_nobody(named: bytes) -> None:
    rig = Rig()
    rig.app.body = b'{"viewer_id":%s}' % named
    for times in (1, 2):  # the second is remembered
        assert await rig.decide(cookie="sid=opaque") == "no_viewer"
        assert rig.metrics.refused() == {"subject_form": times}
    rig.app.body = b'{"viewer_id":null}'
    assert await rig.decide(cookie="sid=another") == "no_viewer"
    assert rig.metrics.refused() == {"subject_form": 2, "session": 1}
    assert len(rig.app.asked) == 2


async def test_reasons_where_tokens_sessions_or_neither_are_configured() -> None:
    for tokens, cookie, reason in (
        (True, "opaque", "not_a_token"),
        (True, EXPIRED, "expired"),
        (False, "opaque", "not_a_token"),
        (False, token(), "algorithm"),
    ):
        rig = Rig(tokens=tokens, introspection=False, debug=False)
        assert await rig.decide(cookie=f"sid={cookie}", header="dev") == "no_viewer"
        assert rig.metrics.refused() == {reason: 1}
    rig = Rig(tokens=False)
    assert await rig.decide(f"Bearer {token()}") == "no_viewer"
    assert rig.metrics.refused() == {"algorithm": 1}


async def test_nothing_sent_shows_in_errors_logs_or_metrics(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    canary = "canary6620"
    rig = Rig()
    for down, body in ((True, b""), (False, canary.encode()), (False, b'{"viewer_id":"%s x"}' % canary.encode())):
        rig.app.down, rig.app.body = down, body
        for credentials in (
            Credentials(cookie=f"sid={canary}; {canary}={canary}"),
            Credentials(authorization=f"Bearer {canary}", cookie=f"sid={canary}"),
            Credentials(authorization=f"{canary} {canary}", dev_viewer=f"{canary} x"),
        ):
            with pytest.raises(Exception, match=r"^(no_viewer|unavailable)$") as caught:
                await rig.authenticator.identify(credentials)
            seen: BaseException | None = caught.value
            while seen is not None:
                assert canary not in repr(seen) + str(seen)
                seen = seen.__cause__ or seen.__context__
    good = await rig.authenticator.identify(bearer(token(sub=canary)))
    assert canary not in repr(good)
    assert canary not in caplog.text
    assert canary not in "".join(capfd.readouterr())
    assert canary not in str([sample for family in rig.metrics.registry.collect() for sample in family.samples])


@pytest.fixture
async def from_configuration() -> AsyncIterator[ViewerAuthenticator]:
    async with authenticator(
        AuthConfiguration(tokens=TokenConfiguration(secret=SECRET), session_cookie="sid", debug=True)
    ) as opened:
        yield opened


async def test_what_a_configuration_makes_works(from_configuration: ViewerAuthenticator) -> None:
    assert await outcome(from_configuration, bearer(token())) == ("viewer-1", False)
    assert await outcome(from_configuration, Credentials(cookie=f"sid={token()}")) == ("viewer-1", True)
    assert await outcome(from_configuration, Credentials(dev_viewer="dev")) == ("dev", False)


_TEXT = st.text(st.characters(max_codepoint=0x2FF) | st.sampled_from('\udc80\udcff٣\u2028.;=" \t'), max_size=80)
_PART = _TEXT | st.sampled_from(["Bearer ", "bearer", "Basic ", "sid=", "sid", "sd_viewer=", "; ", '"', ".", token()])
_HEADER = st.none() | st.lists(_PART, max_size=6).map("".join)


@given(_HEADER, _HEADER, _HEADER, st.booleans())
async def test_whatever_is_sent_there_is_a_viewer_or_one_of_two_codes(
    authorization: str | None, cookie: str | None, header: str | None, allow: bool
) -> None:
    for tokens, introspection in ((True, True), (True, False), (False, True)):
        rig = Rig(tokens=tokens, introspection=introspection)
        for down in (False, True):
            rig.app.down = down
            refused_before = sum(rig.metrics.refused().values())
            decided = await rig.decide(authorization, cookie, header, allow_dev=allow)
            assert sum(rig.metrics.refused().values()) - refused_before == (decided == "no_viewer")
            assert decided in {"no_viewer", "unavailable"} or is_viewer_id(decided[0])
            assert allow or decided in {"no_viewer", "unavailable"} or decided[0] in {"viewer-1", "from-app"}
        for _, headers in rig.app.asked:
            assert headers["Cookie"].isascii()
            assert headers["Cookie"].isprintable()


async def test_a_cached_token_is_decided_without_waiting() -> None:
    rig = Rig()
    credentials = bearer(token())
    assert rig.authenticator.cached_identity(credentials.authorization, None) is None
    identity = await rig.authenticator.identify(credentials)
    assert rig.authenticator.cached_identity(credentials.authorization, None) == identity
    assert rig.authenticator.cached_identity(None, credentials.authorization) is None
