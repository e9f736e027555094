"""Test doubles for code that uses this package: a clock without waiting, tokens without a login."""

from enlighten_async.testing.clock import FakeClock
from enlighten_async.testing.token_store import EmulatorTokenStore

__all__ = ["EmulatorTokenStore", "FakeClock"]
