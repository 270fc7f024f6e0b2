"""Authentication: who is asking, out of a Bearer token, a session cookie or, in debug, the dev viewer.

`authenticator.make_authenticator` builds it; `chain.ViewerAuthenticator` holds the order in which doors are tried.
"""
