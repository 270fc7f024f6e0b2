"""The shapes of tokens and key sets of identity providers, as their documentation has them. docs/adopting.md links it.

Keys and signatures are the tests' own. Nothing here is read from the page: it must be right about these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.unit.web.auth.auth_harness import jwk


@dataclass(frozen=True)
class Provider:
    """`claims` without the dates. `viewer` is the one they name, `elsewhere` the issuer of somebody else's tenant."""

    name: str
    jwks_url: str
    claims: Mapping[str, object]
    viewer: str
    elsewhere: str
    algorithm: str = "RS256"
    header: Mapping[str, object] = field(default_factory=dict)
    keys: tuple[Mapping[str, object], ...] = ()

    def __str__(self) -> str:
        return self.name


_RSA = jwk("RS256")
_EC = jwk("ES256")

AUTH0 = Provider(
    "Auth0",
    "https://acme.eu.auth0.com/.well-known/jwks.json",
    {
        "iss": "https://acme.eu.auth0.com/",
        "sub": "google-oauth2|108031234567890123456",
        "aud": ["https://photos.example/api", "https://acme.eu.auth0.com/userinfo"],
        "azp": "K1AUPhZq8mRi0Q0pjhkfu1D7y6KjDQja",
        "scope": "openid profile",
    },
    viewer="google-oauth2|108031234567890123456",
    elsewhere="https://other.eu.auth0.com/",
    header={"typ": "JWT"},
    keys=(_RSA | {"x5t": "k0", "x5c": ["MIIC"]}, jwk("RS256", 7)),
)
CLERK = Provider(
    "Clerk",
    "https://clerk.photos.example/.well-known/jwks.json",
    {
        "v": 2,
        "iss": "https://clerk.photos.example",
        "sub": "user_2b6fcd92dvf96q05x8e4a8xvt6a",
        "azp": "https://photos.example",
        "sid": "sess_2b6fcd92dvf96q05x8e4a8xvt6a",
        "sts": "active",
        "fva": [7, -1],
        "jti": "a9b8c7d6e5f4a3b2",
    },
    viewer="user_2b6fcd92dvf96q05x8e4a8xvt6a",
    elsewhere="https://other.clerk.accounts.dev",
    header={"typ": "JWT", "cat": "cl_B7d4PD111AAA"},
    keys=(_RSA,),
)
_SUPABASE = {
    "iss": "https://acmephotos.supabase.co/auth/v1",
    "sub": "7f3c1a52-9d0e-4c4b-8f10-2f7a5d1c9e01",
    "aud": "authenticated",
    "role": "authenticated",
    "aal": "aal1",
    "session_id": "0f14a2fc-09c2-4780-95f0-8c28347f2780",
    "email": "alice@photos.example",
    "phone": "",
    "is_anonymous": False,
    "app_metadata": {"provider": "email"},
    "user_metadata": {},
}
_SUPABASE_KEYS = "https://acmephotos.supabase.co/auth/v1/.well-known/jwks.json"
SUPABASE = Provider(
    "Supabase",
    _SUPABASE_KEYS,
    _SUPABASE,
    viewer="7f3c1a52-9d0e-4c4b-8f10-2f7a5d1c9e01",
    elsewhere="https://other.supabase.co/auth/v1",
    algorithm="ES256",
    header={"typ": "JWT"},
    keys=(_EC | {"key_ops": ["verify"], "ext": True},),
)
SUPABASE_WITH_ITS_OLD_SECRET = Provider(
    "Supabase, signed with the legacy secret",
    _SUPABASE_KEYS,
    _SUPABASE,
    viewer=SUPABASE.viewer,
    elsewhere=SUPABASE.elsewhere,
    algorithm="HS256",
    header={"typ": "JWT"},
    keys=SUPABASE.keys,
)
FIREBASE = Provider(
    "Firebase",
    "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com",
    {
        "iss": "https://securetoken.google.com/acme-photos",
        "aud": "acme-photos",
        "sub": "Zk3sB1xQn2YxW7cTq0dR5uJ8vLm2",
        "user_id": "Zk3sB1xQn2YxW7cTq0dR5uJ8vLm2",
        "auth_time": 1_799_990_000,
        "firebase": {"identities": {}, "sign_in_provider": "password"},
    },
    viewer="Zk3sB1xQn2YxW7cTq0dR5uJ8vLm2",
    elsewhere="https://securetoken.google.com/other-photos",
    header={"typ": "JWT"},
    keys=(_RSA, jwk("RS256", 7)),
)
KEYCLOAK = Provider(
    "Keycloak",
    "https://id.photos.example/realms/photos/protocol/openid-connect/certs",
    {
        "iss": "https://id.photos.example/realms/photos",
        "aud": ["photos-api", "account"],
        "sub": "c3b1e7a0-55d4-4b7e-9d43-0c8f0f4b2a11",
        "typ": "Bearer",
        "azp": "photos-web",
        "sid": "1f8d3b8e-54e2-4f5c-9a13-0d8c5f1f6b0a",
        "realm_access": {"roles": ["offline_access"]},
        "preferred_username": "alice",
    },
    viewer="c3b1e7a0-55d4-4b7e-9d43-0c8f0f4b2a11",
    elsewhere="https://id.photos.example/realms/other",
    header={"typ": "JWT"},
    keys=(jwk("RS256", 7, use="enc", alg="RSA-OAEP"), _RSA),  # a key to encrypt with comes along
)
ENTRA = Provider(
    "Entra",
    "https://login.microsoftonline.com/8b87af7d-8647-4dc7-8df4-5f69a2011bb5/discovery/v2.0/keys",
    {
        "ver": "2.0",
        "iss": "https://login.microsoftonline.com/8b87af7d-8647-4dc7-8df4-5f69a2011bb5/v2.0",
        "aud": "6e74172b-be56-4843-9ff4-e66a39bb12e3",
        "tid": "8b87af7d-8647-4dc7-8df4-5f69a2011bb5",
        "oid": "690222be-ff1a-4d56-abd1-7e4f7d38e474",
        "sub": "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ",
        "azp": "7fcb47be-2b4e-4a2e-9ec1-1f4e5e0c9a77",
        "scp": "access_as_user",
        "aio": "AXQAi/8IAAAA",
        "uti": "fqiBqXLPj0eQa82S-IYFAA",
    },
    viewer="690222be-ff1a-4d56-abd1-7e4f7d38e474",
    elsewhere="https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0",
    header={"typ": "JWT"},
    keys=({name: value for name, value in _RSA.items() if name != "alg"} | {"x5t": "k0", "x5c": ["MIIC"]},),
)
PROVIDERS = (AUTH0, CLERK, SUPABASE, SUPABASE_WITH_ITS_OLD_SECRET, FIREBASE, KEYCLOAK, ENTRA)
