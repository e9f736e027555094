"""A backend that shows owners their solar systems: FastAPI, one client a process, one state file for all.

    export ENLIGHTEN_API_KEY=... ENLIGHTEN_CLIENT_ID=... ENLIGHTEN_CLIENT_SECRET=...
    export APP_URL=https://solar.example.com ENLIGHTEN_STATE=enlighten.db ENLIGHTEN_TOKENS=tokens.json
    uvicorn examples.fastapi_backend.app:app --workers 4

The workers share the quota of the key and all cached answers by the state file, and the tokens by their file,
so that no two of them renew or pay for the same. Put your own login in the place of `current_tenant`.
"""

from __future__ import annotations

import asyncio
import csv
import io
import logging
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, TypeVar, cast

from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Query, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from pydantic import BaseModel

from enlighten_async import (
    AuthenticationError,
    BudgetExceeded,
    EnlightenClient,
    EnlightenError,
    Failed,
    InputError,
    NotFound,
    OAuth,
    PermissionDenied,
    Plan,
    QuotaExhausted,
    RangeError,
    ReauthorizationRequired,
    RequestTimeout,
    RgmStats,
    StateUnavailable,
    System,
    Throttled,
    Unavailable,
    UsageError,
    as_completed,
)
from enlighten_async import Query as Question

T = TypeVar("T")

PLANS = {"watt": Plan.WATT, "kilowatt": Plan.KILOWATT, "megawatt": Plan.MEGAWATT, "partner": Plan.PARTNER}
REFRESH_S, REMEMBERED_S = 900, 86_400
"""Seconds from one refresh to the next, and for which what was asked for is refreshed."""

CLIENT_CLOSED_REQUEST = 499
STATE_COOKIE = "enlighten_login"

logger = logging.getLogger(__name__)


@dataclass
class Backend:
    """What one process has: the application, its client, and when which system was asked for last."""

    oauth: OAuth
    client: EnlightenClient
    asked_at: dict[tuple[str, int], float] = field(default_factory=dict[tuple[str, int], float])

    def interactive(self, tenant: str) -> EnlightenClient:
        """Return a view for an owner who waits: five seconds, and old figures rather than none."""
        return self.client.with_options(
            user_id=tenant,
            priority="interactive",
            max_wait=5.0,
            max_age=timedelta(minutes=15),
            stale_if_error=timedelta(hours=12),
        )

    def history(self, tenant: str) -> EnlightenClient:
        """Return a view for exports: they give way to everybody else, and take the time that they need."""
        return self.client.with_options(user_id=tenant, priority="backfill", max_age=timedelta(minutes=15))


def from_environment() -> Backend:
    """Return the backend that the environment describes."""
    env = os.environ
    callback = f"{env['APP_URL'].rstrip('/')}/callback"
    oauth = OAuth.from_env(redirect_uri=callback)
    client = EnlightenClient.v4(
        env["ENLIGHTEN_API_KEY"],
        oauth=oauth,
        plan=PLANS[env.get("ENLIGHTEN_PLAN", "watt")],
        state=env.get("ENLIGHTEN_STATE", "enlighten.db"),
    )
    return Backend(oauth, client)


# What a handler is given


def backend(request: Request) -> Backend:
    """Return the backend of this process."""
    return cast("Backend", request.app.state.backend)


def current_tenant(x_tenant: Annotated[str, Header()]) -> str:
    """Return who asks; your own login goes here. It is the name under which the owner's tokens are stored."""
    return x_tenant


Here = Annotated[Backend, Depends(backend)]
Tenant = Annotated[str, Depends(current_tenant)]


async def answered(request: Request, question: Question[object, T]) -> T:
    """Await a query, and cancel it if the browser goes away: what was not sent yet is not paid for."""
    asking, leaving = asyncio.create_task(question), asyncio.create_task(_gone(request))
    try:
        await asyncio.wait({asking, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not asking.done():
            raise HTTPException(CLIENT_CLOSED_REQUEST)
        return asking.result()
    finally:
        asking.cancel()
        leaving.cancel()
        await asyncio.gather(asking, leaving, return_exceptions=True)


async def _gone(request: Request) -> None:
    """Wait until the browser has closed the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


# Pages

router = APIRouter()


class Hour(BaseModel):
    """Energy of one local hour of the system; `complete` tells whether all of it has been reported."""

    start: datetime
    wh: float
    complete: bool


class Energy(BaseModel):
    """Energy by local hours, Wh. `problem` says why the figures are older than usual, if they are."""

    system_id: int
    hours: list[Hour]
    complete: bool
    as_of: datetime | None
    problem: str | None


@router.get("/health")
async def health(here: Here) -> dict[str, object]:
    """Tell that this process lives, and what the key has left; it costs no request."""
    quota = await here.client.quota()
    return {"status": "ok", "left_this_month": quota.month.left, "waiting": quota.waiting}


@router.get("/login")
async def login(request: Request, here: Here) -> Response:
    """Send the owner to the service, with a state that only this browser has."""
    begun = here.oauth.begin_login()
    response = RedirectResponse(begun.url, status_code=303)
    https = request.url.scheme == "https"
    response.set_cookie(STATE_COOKIE, begun.state, max_age=600, httponly=True, samesite="lax", secure=https)
    return response


@router.get("/callback")
async def callback(request: Request, here: Here, tenant: Tenant) -> Response:
    """Take the owner back, and save the tokens under the name of who is logged in here."""
    await here.oauth.complete_login(tenant, str(request.url), state=request.cookies.get(STATE_COOKIE))
    response = RedirectResponse("/systems", status_code=303)
    response.delete_cookie(STATE_COOKIE)
    return response


@router.get("/systems")
async def systems(request: Request, here: Here, tenant: Tenant) -> list[System]:
    """List the owner's systems; an answer, and each object in one, may be returned as it is."""
    return list(await answered(request, here.interactive(tenant).systems()))


@router.get("/systems/{system_id}/energy")
async def energy(
    request: Request,
    here: Here,
    tenant: Tenant,
    system_id: int,
    days: Annotated[int, Query(ge=0, le=6)] = 1,
) -> Energy:
    """Tell the energy of today and the days before, by hours of the system's own time."""
    here.asked_at[tenant, system_id] = time.monotonic()
    start = (datetime.now(UTC) - timedelta(days=days)).date()
    found = await answered(request, here.interactive(tenant).rgm_stats(system_id, start_date=start))
    return Energy(
        system_id=system_id,
        hours=[
            Hour(start=each.start, wh=each.wh, complete=each.got == each.expected)
            for each in found.sums("hour")
        ],
        complete=found.coverage.complete,
        as_of=found.coverage.as_of,
        problem=found.receipt.failure or None,
    )


@router.get("/systems/{system_id}/intervals", response_model=RgmStats)
async def intervals(
    request: Request,
    here: Here,
    tenant: Tenant,
    system_id: int,
    days: Annotated[int, Query(ge=0, le=365)] = 1,
) -> Response:
    """Tell the intervals of today and the days before; a thread writes them, for there may be a year's."""
    start = (datetime.now(UTC) - timedelta(days=days)).date()
    found = await answered(request, here.interactive(tenant).rgm_stats(system_id, start_date=start))
    return Response(await asyncio.to_thread(found.to_json), media_type="application/json")


@router.get("/systems/{system_id}/energy.csv")
async def energy_csv(
    here: Here, tenant: Tenant, system_id: int, days: Annotated[int, Query(ge=1, le=700)] = 30
) -> Response:
    """Stream the intervals of the last days, week by week as they come; it ends if the browser goes away.

    The first week is there before the answer begins, so that an error has a status of its own.
    """
    start = datetime.now(UTC) - timedelta(days=days)
    weeks = csv_of(here.history(tenant).rgm_stats(system_id, start_at=start))
    first = await anext(weeks)

    async def body() -> AsyncIterator[str]:
        yield first
        async for week in weeks:
            yield week

    return StreamingResponse(body(), media_type="text/csv")


async def csv_of(weeks: Question[RgmStats, RgmStats]) -> AsyncIterator[str]:
    """Yield the rows of a query as CSV, part by part."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["end_at", "wh_del"])
    async for week in weeks:
        writer.writerows([row.end_at.isoformat(), row.wh_del] for row in week.intervals)
        yield text.getvalue()
        text.seek(0)
        text.truncate()
    yield text.getvalue()


# Errors

STATUSES: tuple[tuple[type[EnlightenError] | tuple[type[EnlightenError], ...], int], ...] = (
    (ReauthorizationRequired, 403),
    (NotFound, 404),
    (PermissionDenied, 403),
    ((InputError, RangeError), 422),
    (RequestTimeout, 504),
    ((BudgetExceeded, QuotaExhausted, StateUnavailable, Throttled, Unavailable), 503),
    ((AuthenticationError, UsageError), 500),
)
"""What a browser is told of an error; of any other, that the service failed (502)."""


async def failed(_: Request, error: Exception) -> Response:
    """Answer with the status of an error, and with when it makes sense to ask again."""
    assert isinstance(error, EnlightenError)
    status = next((status for kinds, status in STATUSES if isinstance(error, kinds)), 502)
    body = {"error": type(error).__name__, "detail": str(error)}
    if isinstance(error, ReauthorizationRequired):
        body = {"error": type(error).__name__, "detail": error.reason, "login": "/login"}
    headers = dict[str, str]()
    if error.retry_at is not None:
        seconds = (error.retry_at - datetime.now(UTC)).total_seconds()
        headers["Retry-After"] = str(max(1, int(seconds) + 1))
    return JSONResponse(body, status_code=status, headers=headers)


# In the background


async def refresh(here: Backend) -> None:
    """Ask again for what was asked for of late, so that owners find it in the cache.

    Every worker does so; what one has fetched, the others find there.
    """
    while True:
        await asyncio.sleep(REFRESH_S)
        await refresh_once(here)


async def refresh_once(here: Backend) -> None:
    """Ask once for what was asked for of late."""
    since, start = time.monotonic() - REMEMBERED_S, (datetime.now(UTC) - timedelta(days=1)).date()
    views = {
        key: here.client.with_options(user_id=key[0], priority="poll", max_age=600) for key in here.asked_at
    }
    recent = [key for key, at in here.asked_at.items() if at >= since]
    queries = (views[key].rgm_stats(key[1], start_date=start) for key in recent)
    async with as_completed(queries) as outcomes:
        async for outcome in outcomes:
            if isinstance(outcome, Failed):
                logger.warning("system %s was not refreshed: %s", recent[outcome.number][1], outcome.error)


# The application


def create_app(connect: Callable[[], Backend] = from_environment) -> FastAPI:
    """Return the application; `connect` makes the backend of each process when it starts."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        here = connect()
        async with here.client:  # closed at the end: what was counted and paid for is on the disk then
            app.state.backend = here
            refreshing = asyncio.create_task(refresh(here))
            try:
                yield
            finally:
                refreshing.cancel()
                await asyncio.gather(refreshing, return_exceptions=True)

    app = FastAPI(title="Solar systems", lifespan=lifespan)
    app.include_router(router)
    app.add_exception_handler(EnlightenError, failed)
    return app


app = create_app()
