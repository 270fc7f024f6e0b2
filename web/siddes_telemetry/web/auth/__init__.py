"""Authentication: identifies the viewer by a Bearer token, a session cookie or, in debug, the dev viewer.

`factory.make_authenticator` builds it; `authenticator.ViewerAuthenticator` holds the order in which credentials are
tried.
"""
