"""OAuth 2: login of system owners, stored tokens, and credentials that are refreshed by themselves."""

from typing import TYPE_CHECKING

from enlighten_async.lazy import lazy_names

if TYPE_CHECKING:
    from enlighten_async.oauth.oauth import LoginRequest, OAuth
    from enlighten_async.oauth.session import AccountCredentials, KeyIn
    from enlighten_async.oauth.token_files import FileTokenStore, PostgresTokenStore, StateTokenStore
    from enlighten_async.oauth.token_store import MemoryTokenStore, Tokens, TokenStore
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "oauth": "LoginRequest OAuth",
            "session": "AccountCredentials KeyIn",
            "token_files": "FileTokenStore PostgresTokenStore StateTokenStore",
            "token_store": "MemoryTokenStore Tokens TokenStore",
        },
    )

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
