"""Version 2 of the API: what it is asked, how its answers read, and what its refusals mean."""

from enlighten_async.v2.dialect import BASE_URL, PLANS, V2, credentials

__all__ = ["BASE_URL", "PLANS", "V2", "credentials"]
