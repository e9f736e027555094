"""OAuth 2: login of system owners, stored tokens, and credentials that are refreshed by themselves."""

from enlighten_async.oauth.authorization import LoginRequest
from enlighten_async.oauth.oauth import OAuth
from enlighten_async.oauth.session import AccountCredentials, KeyIn
from enlighten_async.oauth.token_store import FileTokenStore, MemoryTokenStore, Tokens, TokenStore

__all__ = [
    "AccountCredentials",
    "FileTokenStore",
    "KeyIn",
    "LoginRequest",
    "MemoryTokenStore",
    "OAuth",
    "TokenStore",
    "Tokens",
]
