"""OAuth 2: login of system owners, stored tokens, and credentials that are refreshed by themselves."""

from enlighten_async.oauth.oauth import LoginRequest, OAuth
from enlighten_async.oauth.session import AccountCredentials, KeyIn
from enlighten_async.oauth.token_files import FileTokenStore, PostgresTokenStore, StateTokenStore
from enlighten_async.oauth.token_store import MemoryTokenStore, Tokens, TokenStore

__all__ = [
    "AccountCredentials",
    "FileTokenStore",
    "KeyIn",
    "LoginRequest",
    "MemoryTokenStore",
    "OAuth",
    "PostgresTokenStore",
    "StateTokenStore",
    "TokenStore",
    "Tokens",
]
