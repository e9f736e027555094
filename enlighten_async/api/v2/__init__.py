"""Version 2 of the API: its requests, its answers, and its errors."""

from typing import TYPE_CHECKING

from enlighten_async.lazy import lazy_names

if TYPE_CHECKING:
    from enlighten_async.api.v2.api import BASE_URL, PLANS, ApiV2, StaticCredentials, credentials
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "api": "BASE_URL PLANS ApiV2 StaticCredentials credentials",
        },
    )

__all__ = ["BASE_URL", "PLANS", "ApiV2", "StaticCredentials", "credentials"]
