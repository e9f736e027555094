"""Options of a client and of a view of one, and the environment's variables for them."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any, TypedDict, TypeGuard, cast

from attrs import evolve

from enlighten_async import state
from enlighten_async.cache import IntervalCache
from enlighten_async.errors import InputError, unknown_keyword
from enlighten_async.limiter import MAX_REQUESTS, RANKS, Plan, Priority, QuotaStore
from enlighten_async.oauth.oauth import BASE_URL_VARIABLE, CLIENT_ID, CLIENT_SECRET, NAMES
from enlighten_async.query import QueryOptions, RequestHook, ResponseHook
from enlighten_async.retry import RetryPolicy
from enlighten_async.transport import NetworkOptions, Secret, check_network, hide_secrets, is_number, origin

KEY, USER, ACCOUNT = "ENLIGHTEN_API_KEY", "ENLIGHTEN_USER_ID", "ENLIGHTEN_ACCOUNT"
BASE_URL, STATE, PLAN = BASE_URL_VARIABLE, "ENLIGHTEN_STATE", "ENLIGHTEN_PLAN"

PLANS: Mapping[str, Plan] = MappingProxyType(
    {
        "watt": Plan.WATT,
        "kilowatt": Plan.KILOWATT,
        "megawatt": Plan.MEGAWATT,
        "partner": Plan.PARTNER,
        "unlimited": Plan.UNLIMITED,
    }
)
"""Plans by the names that the environment and the command line take."""

_V4_HINT = f"; for v4, {CLIENT_ID} and {CLIENT_SECRET} take the place of {USER}"
_V2_HINT = f"; for v2, {USER} takes the place of {CLIENT_ID} and {CLIENT_SECRET}"


class ClientOptions(NetworkOptions, total=False):
    """The options of `EnlightenClient`, for both versions of the API; see `NetworkOptions` for the others."""

    plan: Plan | None
    """The tariff of the key; by default the free plan, Watt, with 10 requests a minute and 10,000 a month
    (v4: 1,000).
    """
    state: str | os.PathLike[str] | Secret | None
    """Path of a state file, which keeps the counts of requests and the answers beyond the process, for all
    clients of this machine that name it; it is made if missing, and readable by its owner only. Or the URL of
    a server that machines share, on asyncio: `postgresql://…` for counts and answers, `redis://…` or
    `rediss://…` for counts only.
    """
    quota_store: QuotaStore | None
    """The store of the key's counts, in place of the state. Without `state` and `quota_store`, counts are in
    memory, shared by all clients of this process with the same key.
    """
    interval_cache: IntervalCache | None
    """The cache of answers, in place of the state. Without `state` and `interval_cache` nothing is cached."""
    retry: RetryPolicy | None
    """The policy for failures that may pass."""
    max_concurrency: int
    """Requests in flight at once, at most; 6 by default. So many may be lost when the service goes down. The
    limit applies to all clients that share counts together: the smallest number of the live clients.
    """
    pace: bool
    """Whether requests of priority "poll" and "backfill" spend the month evenly: they are spaced by the time
    left of the month divided by the requests left of it. After a pause some may be sent at once: as many as
    the plan allows in a minute, and at most a hundredth of what is left of the month. "interactive" is not
    delayed. All clients that share counts and have this option share one pace, also after a restart.
    """
    on_request: RequestHook | None
    """A function that is called with a `RequestEvent` before each request leaves."""
    on_response: ResponseHook | None
    """A function that is called with a `ResponseEvent` when a request is over, and for each part that came
    from the cache. Both hooks are called in the task of the query and must not wait; their errors are logged.
    """


class ViewOptions(TypedDict, total=False):
    """The options of a view of a client; an option that is not given stays as it is."""

    max_wait: timedelta | float | None
    """How long a whole query may take (seconds, or a timedelta), queue, network and retries included; `None`:
    no limit, but two minutes for a wait for `pace` or for the server of the state.
    """
    max_requests: int | None
    """Requests a query may take; `None`: any."""
    only_cached: bool
    """Send nothing. A query is answered at once if all it asks for is cached, as young as `max_age` wants it;
    else it raises `BudgetExceeded`, with what is cached as `partial`.
    """
    exhaustive: bool
    """Ask also for windows which the newest answer shows to be empty."""
    priority: Priority
    """Class of the view's requests: "interactive" (the default), "poll" for regular reading, "backfill" for
    history. They are sent in this order, in all clients that share counts. For each higher class, a tenth of
    the minute (1 request at least) and a twentieth of the month are reserved; the reserve of the month falls
    each day, to nothing on the last.
    """
    max_age: timedelta | float | None
    """How old (seconds, or a timedelta) a cached answer may be that is not final; 0 requests it anew. `None`:
    only final data is served from the cache, and, for an hour at first and a day at most, data of more than
    3 days ago of a system that has stopped reporting. Without `state` or `interval_cache` there is no cache:
    the log says so once.
    """
    stale_if_error: timedelta | float | None
    """How old (seconds, or a timedelta) a cached answer may be that is returned in place of an error: if the
    service fails or cannot be reached, the quota is used up or the limits of this view do not suffice. All of
    the answer has to be cached; `receipt.failure` is the text of the error, and `coverage.as_of` the age.
    Errors that forbid the data, such as of a login that has ended, and errors of streams are always raised.
    `None`: all errors are raised.
    """


def hide_passwords(options: ClientOptions) -> None:
    """Hide what may be a password in the URLs of options, which no traceback must show."""
    hide_secrets(options)
    place = options.get("state")
    if isinstance(place, str) and state.is_url(place):
        options["state"] = Secret(place)


def changed(options: QueryOptions, changes: ViewOptions) -> QueryOptions:
    """Return options with some changed.

    Raises:
        InputError: an option is none of those it may be.
        TypeError: there is no such option.
    """
    if unknown := changes.keys() - ViewOptions.__annotations__.keys():
        raise unknown_keyword("with_options", unknown, ("user_id", *ViewOptions.__annotations__))
    priority = changes.get("priority", options.priority)
    if priority not in tuple(RANKS):
        raise InputError(f"priority must be one of {', '.join(RANKS)}, not {priority!r}")
    for name in ("exhaustive", "only_cached"):
        if not isinstance(flag := changes.get(name, False), bool):
            raise InputError(f"{name} must be True or False, not {flag!r}")
    most = changes.get("max_requests")
    if most is not None and not (_is_whole(most) and most >= 0):
        raise InputError(f"max_requests must be a whole number, 0 or more, or None, not {most!r}")
    return evolve(
        options,
        max_wait=_seconds("max_wait", changes.get("max_wait", options.max_wait)),
        max_requests=changes.get("max_requests", options.max_requests),
        only_cached=changes.get("only_cached", options.only_cached),
        exhaustive=changes.get("exhaustive", options.exhaustive),
        priority=priority,
        max_age=_seconds("max_age", changes.get("max_age", options.max_age)),
        stale_if_error=_seconds("stale_if_error", changes.get("stale_if_error", options.stale_if_error)),
    )


def _seconds(name: str, given: timedelta | float | None) -> float | None:
    """Return a length of time in seconds; refuse one below 0, or without end."""
    seconds = given.total_seconds() if isinstance(given, timedelta) else given
    if seconds is not None and not (is_number(seconds) and seconds >= 0):
        raise InputError(f"{name} must be a timedelta or seconds, 0 or more, or None, not {given!r}")
    return seconds


_KINDS: Mapping[str, tuple[Any, str]] = MappingProxyType(
    {
        "plan": (Plan, "a Plan, such as Plan.WATT or Plan(minute=10, month=1000)"),
        "state": (str | os.PathLike | Secret, 'the path of a file, such as "enlighten.db", or a URL'),
        "quota_store": (QuotaStore, "an object with the methods of a QuotaStore"),
        "interval_cache": (IntervalCache, "an object with the methods of an IntervalCache"),
        "retry": (RetryPolicy, "a RetryPolicy, such as RetryPolicy(attempts=3)"),
    }
)
"""Types of options that may be left out, and what they are in words."""


def check_options(options: ClientOptions, version: str) -> None:
    """Check the options of a client before anything is made of them.

    Raises:
        InputError: one is none of those it may be.
        TypeError: there is no such option.
    """
    given: Mapping[str, object] = {**options}
    if unknown := given.keys() - ClientOptions.__annotations__.keys():
        raise unknown_keyword("EnlightenClient", unknown, ClientOptions.__annotations__)
    for name, (kind, words) in _KINDS.items():
        value = given.get(name)
        if value is not None and (isinstance(value, type) or not isinstance(value, kind) or value == ""):
            raise InputError(f"{name} must be {words}, or None, not {value!r}")
    for name in ("on_request", "on_response"):
        check_hook(name, given.get(name))
    if not isinstance(given.get("pace", False), bool):
        raise InputError(f"pace must be True or False, not {given['pace']!r}")
    most = given.get("max_concurrency", 1)
    if not _is_whole(most) or most < 1:
        raise InputError(f"max_concurrency must be a whole number above 0, not {most!r}")
    network = ("timeout", "clock", "verify", "transport")
    check_network(**{name: given[name] for name in network if name in given})
    check_version(options["base_url"], version)


def check_hook(name: str, hook: object) -> None:
    """Raise `InputError` for what cannot be called, or would have to be awaited."""
    kinds = (hook, getattr(type(hook), "__call__", None))  # noqa: B004 - to look at it, not to call it
    if hook is not None and (not callable(hook) or any(map(inspect.iscoroutinefunction, kinds))):
        raise InputError(f"{name} must be a function that is not async, or None, not {hook!r}")


def check_version(base_url: str, version: str) -> None:
    """Raise `InputError` if the URL does not end with the version of the API, as the service's paths do."""
    where = origin(base_url, any_http=True)
    if where.base.rpartition("/")[2] != version:
        raise InputError(
            f"base_url must end with the version of the API, such as {where}/api/{version}, not {where.base}"
        )


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value <= MAX_REQUESTS


def check_used(requests: object) -> None:
    """Raise `InputError` for a value that is no number of requests used."""
    if not _is_whole(requests) or requests < 0:
        raise InputError(f"give the requests used this month as a whole number, 0 or more, not {requests!r}")


def network_options(options: ClientOptions) -> NetworkOptions:
    """Return the options that say how the service is reached."""
    names = NetworkOptions.__optional_keys__
    return cast("NetworkOptions", {name: value for name, value in options.items() if name in names})


def plan_of(text: str, place: str = "") -> Plan:
    """Return the plan of a name, or of limits such as 50/50000.

    Args:
        text: the name, or the limits.
        place: what the error begins with.

    Raises:
        InputError: it is neither.
    """
    if (name := text.strip().lower()) in PLANS:
        return PLANS[name]
    minute, _, month = text.partition("/")
    try:
        return Plan(minute=int(minute), month=int(month))
    except ValueError:  # an InputError is one too
        wrong = f"{place}{text!r} is neither {', '.join(PLANS)} nor MINUTE/MONTH, such as 50/50000"
    raise InputError(wrong)


def variables(environ: Mapping[str, str | Secret]) -> dict[str, Secret]:
    """Return the environment's variables by their names; empty where they are not set."""
    return {name: Secret(environ.get(name, "")) for name in (KEY, USER, ACCOUNT, STATE, PLAN, *NAMES)}


def check_variables(found: Mapping[str, Secret]) -> None:
    """Raise `InputError` if a variable is missing; apart, so that no frame of it holds a plain text."""
    v4 = bool(found[CLIENT_ID] or not found[USER])
    missing = [name for name in ((KEY, CLIENT_ID, CLIENT_SECRET) if v4 else (KEY, USER)) if not found[name]]
    if missing:
        other = "" if found[CLIENT_ID] else _V2_HINT if v4 else _V4_HINT
        raise InputError(f"set {' and '.join(missing)} in the environment{other}")
