"""For tests of code that uses this package: time that passes without waiting."""

from enlighten_async.testing.clock import FakeClock

__all__ = ["FakeClock"]
