"""Version 4 of the API: what it is asked, how its answers read, and what its refusals mean."""

from enlighten_async.v4.dialect import BASE_URL, PLANS, V4

__all__ = ["BASE_URL", "PLANS", "V4"]
