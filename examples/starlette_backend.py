"""The core of a backend with Starlette alone: lifespan, errors, health and a stream.

    export ENLIGHTEN_API_KEY=... ENLIGHTEN_CLIENT_ID=... ENLIGHTEN_CLIENT_SECRET=...
    export ENLIGHTEN_STATE=enlighten.db
    gunicorn examples.starlette_backend:app -k uvicorn_worker.UvicornWorker --workers 4

`examples/fastapi_backend` has the rest: tenants, logins, a refresh in the background.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TypedDict, cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from enlighten_async import EnlightenClient, EnlightenError, InputError, NotFound


class State(TypedDict):
    """What the lifespan hands to every request."""

    client: EnlightenClient


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncGenerator[State]:
    """Open one client for the process, and close it when the last request is over."""
    async with EnlightenClient.from_env() as client:
        yield {"client": client}


def client_of(request: Request, priority: str) -> EnlightenClient:
    """Return a view of the process's client for somebody who waits, or for an export."""
    client = cast("EnlightenClient", request.state.client)
    if priority == "backfill":
        return client.with_options(priority="backfill", max_age=timedelta(minutes=15))
    return client.with_options(
        max_wait=5.0, max_age=timedelta(minutes=15), stale_if_error=timedelta(hours=12)
    )


async def health(request: Request) -> Response:
    """Tell that the process lives; it costs no request."""
    quota = await client_of(request, "interactive").quota()
    return JSONResponse({"status": "ok", "left_this_month": quota.month.left})


async def day(request: Request) -> Response:
    """Tell the energy of the last 24 hours, Wh."""
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=24)
    system_id = int(request.path_params["system_id"])
    found = await client_of(request, "interactive").rgm_stats(system_id, start_at=start)
    energy = sum(row.wh_del or 0 for row in found.intervals)
    return JSONResponse({"wh": energy, "complete": found.coverage.complete})


async def energy_csv(request: Request) -> Response:
    """Stream the intervals of 30 days; it ends if the browser goes away."""
    start = datetime.now(UTC) - timedelta(days=30)
    weeks = client_of(request, "backfill").rgm_stats(int(request.path_params["system_id"]), start_at=start)

    async def rows() -> AsyncIterator[str]:
        yield "end_at,wh_del\r\n"
        async for week in weeks:
            yield "".join(f"{row.end_at.isoformat()},{row.wh_del}\r\n" for row in week.intervals)

    return StreamingResponse(rows(), media_type="text/csv")


async def failed(_: Request, error: Exception) -> Response:
    """Answer with the status of an error, and with when it makes sense to ask again."""
    assert isinstance(error, EnlightenError)
    status = 503 if error.retry_at else 502
    status = 404 if isinstance(error, NotFound) else 422 if isinstance(error, InputError) else status
    headers = dict[str, str]()
    if error.retry_at is not None:
        headers["Retry-After"] = str(max(1, math.ceil((error.retry_at - datetime.now(UTC)).total_seconds())))
    return JSONResponse({"error": type(error).__name__, "detail": str(error)}, status, headers)


app = Starlette(
    routes=[
        Route("/health", health),
        Route("/systems/{system_id:int}/energy", day),
        Route("/systems/{system_id:int}/energy.csv", energy_csv),
    ],
    lifespan=lifespan,
    exception_handlers={EnlightenError: failed},
)
