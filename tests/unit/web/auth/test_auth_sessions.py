"""A session in chunks is a session like others, before and after it is cached."""

from __future__ import annotations

import pytest

from siddes_telemetry.web.auth.configuration import AuthConfiguration, TokenConfiguration
from siddes_telemetry.web.credentials import Credentials
from tests.unit.web.auth.auth_harness import SECRET, authenticator, token


@pytest.mark.parametrize("quote", ["", '"'])
async def test_a_token_in_chunks_is_known_without_waiting_once_it_was_verified(quote: str) -> None:
    text = quote + token() + quote
    in_chunks = f"a=b; sid.1={text[60:]}; sid.0={text[:60]}"
    configuration = AuthConfiguration(tokens=TokenConfiguration(secret=SECRET), session_cookie="sid")
    async with authenticator(configuration) as sessions:
        assert sessions.cached_identity(None, in_chunks) is None
        identity = await sessions.identify(Credentials(cookie=in_chunks))
        assert (identity.viewer_id, identity.by_cookie) == ("viewer-1", True)
        for same in (in_chunks, f"sid={text}"):
            assert sessions.cached_identity(None, same) == identity
        assert sessions.cached_identity(None, f"sid.0={text[:60]}; sid.2={text[60:]}") is None
