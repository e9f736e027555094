"""Logging owners in (OAuth 2): where to send them, what to do with the code, tokens that renew themselves."""

from enlighten_async.oauth.oauth import OAuth
from enlighten_async.oauth.session import AccountCredentials, KeyIn
from enlighten_async.oauth.token_store import FileTokenStore, MemoryTokenStore, Tokens, TokenStore

__all__ = [
    "AccountCredentials",
    "FileTokenStore",
    "KeyIn",
    "MemoryTokenStore",
    "OAuth",
    "TokenStore",
    "Tokens",
]
