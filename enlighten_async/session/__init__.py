"""The spine: runs the flows of a query side by side, each request through the gate and back."""

from enlighten_async.session.access import Access, Lasting
from enlighten_async.session.counts import kept_counts, shared_counts
from enlighten_async.session.outline import Draft, Endpoints, Leg, Outline
from enlighten_async.session.progress import Progress
from enlighten_async.session.query import Query
from enlighten_async.session.session import Dialect, Options, Session
from enlighten_async.session.status import status

__all__ = [
    "Access",
    "Dialect",
    "Draft",
    "Endpoints",
    "Lasting",
    "Leg",
    "Options",
    "Outline",
    "Progress",
    "Query",
    "Session",
    "kept_counts",
    "shared_counts",
    "status",
]
