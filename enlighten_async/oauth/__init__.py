"""Logging owners in (OAuth 2): where to send them, what to do with the code, tokens that renew themselves."""

from enlighten_async.oauth.access import Access, KeyIn
from enlighten_async.oauth.file_store import FileTokenStore
from enlighten_async.oauth.oauth import OAuth
from enlighten_async.oauth.store import MemoryTokenStore, TokenStore
from enlighten_async.oauth.tokens import Tokens

__all__ = ["Access", "FileTokenStore", "KeyIn", "MemoryTokenStore", "OAuth", "TokenStore", "Tokens"]
