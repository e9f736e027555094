"""Queries: planned, priced, run and answered; each request through the limiter and back."""

from typing import TYPE_CHECKING

from enlighten_async.lazy import lazy_names
from enlighten_async.query.estimate import quota_status
from enlighten_async.query.hooks import Hooks, RequestEvent, RequestHook, ResponseEvent, ResponseHook
from enlighten_async.query.plan import Part, QueryPlan, Segment, Segments
from enlighten_async.query.query import Progress, Query
from enlighten_async.query.session import (
    ApiVersion,
    CredentialsProvider,
    QueryOptions,
    Session,
)

if TYPE_CHECKING:
    from enlighten_async.query.pool import Answered, Failed, Outcome, QueryPool, as_completed
else:
    __getattr__, __dir__ = lazy_names(__name__, {"pool": "Answered Failed Outcome QueryPool as_completed"})

__all__ = [
    "Answered",
    "ApiVersion",
    "CredentialsProvider",
    "Failed",
    "Hooks",
    "Outcome",
    "Part",
    "Progress",
    "Query",
    "QueryOptions",
    "QueryPlan",
    "QueryPool",
    "RequestEvent",
    "RequestHook",
    "ResponseEvent",
    "ResponseHook",
    "Segment",
    "Segments",
    "Session",
    "as_completed",
    "quota_status",
]
