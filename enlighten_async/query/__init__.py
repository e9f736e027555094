"""Queries: planned, priced, run and answered; each request through the limiter and back."""

from enlighten_async.query.plan import Draft, Endpoints, Leg, Outline
from enlighten_async.query.query import Progress, Query
from enlighten_async.query.session import (
    Api,
    CredentialsProvider,
    QueryOptions,
    Session,
    StaticCredentials,
    status,
)

__all__ = [
    "Api",
    "CredentialsProvider",
    "Draft",
    "Endpoints",
    "Leg",
    "Outline",
    "Progress",
    "Query",
    "QueryOptions",
    "Session",
    "StaticCredentials",
    "status",
]
