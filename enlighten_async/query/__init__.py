"""Queries: planned, priced, run and answered; each request through the limiter and back."""

from enlighten_async.client.quota_stores import kept_counts, shared_counts
from enlighten_async.query.plan import Draft, Endpoints, Leg, Outline
from enlighten_async.query.query import Progress, Query
from enlighten_async.query.session import Access, Dialect, Lasting, Options, Session, status

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
