"""The spine: runs the flows of a query side by side, each request through the gate and back."""

from enlighten_async.session.counts import shared_counts
from enlighten_async.session.outline import Draft, Leg, Outline
from enlighten_async.session.progress import Progress
from enlighten_async.session.query import Query
from enlighten_async.session.session import Dialect, Options, Session

__all__ = ["Dialect", "Draft", "Leg", "Options", "Outline", "Progress", "Query", "Session", "shared_counts"]
