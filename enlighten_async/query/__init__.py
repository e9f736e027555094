"""Queries: planned, priced, run and answered; each request through the limiter and back."""

from enlighten_async.query.estimate import quota_status
from enlighten_async.query.plan import Part, QueryPlan, Segment, Segments
from enlighten_async.query.query import Progress, Query
from enlighten_async.query.session import (
    ApiVersion,
    CredentialsProvider,
    QueryOptions,
    Session,
)

__all__ = [
    "ApiVersion",
    "CredentialsProvider",
    "Part",
    "Progress",
    "Query",
    "QueryOptions",
    "QueryPlan",
    "Segment",
    "Segments",
    "Session",
    "quota_status",
]
