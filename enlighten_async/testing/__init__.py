"""For tests of code that uses this package: time that passes without waiting, tokens without a login."""

from enlighten_async.testing.clock import FakeClock
from enlighten_async.testing.logged_in import LoggedIn

__all__ = ["FakeClock", "LoggedIn"]
