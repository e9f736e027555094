"""Version 4 of the API: its requests, its answers, and its errors."""

from enlighten_async.api.v4.api import BASE_URL, PLANS, ApiV4

__all__ = ["BASE_URL", "PLANS", "ApiV4"]
