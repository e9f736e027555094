"""Async Python SDK for Enphase's Enlighten Systems API: an exact answer for the fewest requests."""

from enlighten_async import models
from enlighten_async.api.v2.authorization import authorization_url, parse_redirect
from enlighten_async.client import EnlightenClient
from enlighten_async.errors import (
    APIError,
    AuthenticationError,
    BudgetExceeded,
    DecodeError,
    EnlightenError,
    InputError,
    KeyMismatch,
    KeyMissing,
    MissingAccessControl,
    NotFound,
    NotSupported,
    PermissionDenied,
    QuotaExhausted,
    RangeError,
    ReauthorizationRequired,
    RequestTimeout,
    ServerError,
    ServiceRetired,
    Throttled,
    TokenRefused,
    TransportError,
    Unavailable,
    UsageError,
)
from enlighten_async.limiter import Plan
from enlighten_async.models import *  # noqa: F403 - every model is public
from enlighten_async.oauth import FileTokenStore, MemoryTokenStore, OAuth, Tokens, TokenStore
from enlighten_async.query import Progress, Query
from enlighten_async.retry import RetryPolicy
from enlighten_async.windows import Window

__all__ = [
    "APIError",
    "AuthenticationError",
    "BudgetExceeded",
    "DecodeError",
    "EnlightenClient",
    "EnlightenError",
    "FileTokenStore",
    "InputError",
    "KeyMismatch",
    "KeyMissing",
    "MemoryTokenStore",
    "MissingAccessControl",
    "NotFound",
    "NotSupported",
    "OAuth",
    "PermissionDenied",
    "Plan",
    "Progress",
    "Query",
    "QuotaExhausted",
    "RangeError",
    "ReauthorizationRequired",
    "RequestTimeout",
    "RetryPolicy",
    "ServerError",
    "ServiceRetired",
    "Throttled",
    "TokenRefused",
    "TokenStore",
    "Tokens",
    "TransportError",
    "Unavailable",
    "UsageError",
    "Window",
    "authorization_url",
    "parse_redirect",
]
__all__ += models.__all__
