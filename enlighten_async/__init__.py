"""Async Python SDK for Enphase's Enlighten Systems API: an exact answer for the fewest requests."""

from typing import TYPE_CHECKING

from enlighten_async import errors, models
from enlighten_async.lazy import lazy_names

if TYPE_CHECKING:
    from enlighten_async.api.v2.api import authorization_url, parse_redirect
    from enlighten_async.client import EnlightenClient
    from enlighten_async.errors import *  # noqa: F403 - every error is public
    from enlighten_async.export import Export, Table, concat, write
    from enlighten_async.limiter import Plan
    from enlighten_async.models import *  # noqa: F403 - every model is public
    from enlighten_async.oauth import (
        FileTokenStore,
        LoginRequest,
        MemoryTokenStore,
        OAuth,
        PostgresTokenStore,
        StateTokenStore,
        Tokens,
        TokenStore,
    )
    from enlighten_async.query import (
        Answered,
        Failed,
        Progress,
        Query,
        QueryPool,
        RequestEvent,
        ResponseEvent,
        as_completed,
    )
    from enlighten_async.retry import RetryPolicy
    from enlighten_async.windows import Window
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "api.v2.api": "authorization_url parse_redirect",
            "client": "EnlightenClient",
            "errors": " ".join(errors.__all__),
            "export": "Export Table concat write",
            "limiter": "Plan",
            "models": " ".join(models.__all__),
            "oauth": (
                "FileTokenStore LoginRequest MemoryTokenStore OAuth PostgresTokenStore StateTokenStore "
                "Tokens TokenStore"
            ),
            "query": "Answered Failed Progress Query QueryPool RequestEvent ResponseEvent as_completed",
            "retry": "RetryPolicy",
            "windows": "Window",
        },
    )

__all__ = [
    "Answered",
    "EnlightenClient",
    "Export",
    "Failed",
    "FileTokenStore",
    "LoginRequest",
    "MemoryTokenStore",
    "OAuth",
    "Plan",
    "PostgresTokenStore",
    "Progress",
    "Query",
    "QueryPool",
    "RequestEvent",
    "ResponseEvent",
    "RetryPolicy",
    "StateTokenStore",
    "Table",
    "TokenStore",
    "Tokens",
    "Window",
    "as_completed",
    "authorization_url",
    "concat",
    "parse_redirect",
    "write",
]
__all__ += errors.__all__
__all__ += models.__all__
