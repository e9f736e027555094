"""Version 2 of the API: its requests, its answers, and its errors."""

from enlighten_async.api.v2.api import BASE_URL, PLANS, ApiV2, StaticCredentials, credentials

__all__ = ["BASE_URL", "PLANS", "ApiV2", "StaticCredentials", "credentials"]
