"""The environment's variables that tell who a client asks for, and by which version of the API."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, TypedDict, TypeVar

from attrs import evolve

from enlighten_async.cache import IntervalCache
from enlighten_async.clock import Clock
from enlighten_async.errors import InputError
from enlighten_async.limiter import RANKS, Plan, Priority, QuotaStore
from enlighten_async.oauth.oauth import BASE_URL_VARIABLE, CLIENT_ID, CLIENT_SECRET, NAMES
from enlighten_async.query import QueryOptions
from enlighten_async.retry import RetryPolicy
from enlighten_async.transport import Secret

if TYPE_CHECKING:
    import ssl

    import httpx

KEY, USER, ACCOUNT = "ENLIGHTEN_API_KEY", "ENLIGHTEN_USER_ID", "ENLIGHTEN_ACCOUNT"
BASE_URL, STATE = BASE_URL_VARIABLE, "ENLIGHTEN_STATE"

_FOR_V4 = f"; for v4, {CLIENT_ID} and {CLIENT_SECRET} take the place of {USER}"


def read(environ: Mapping[str, str | Secret]) -> dict[str, Secret]:
    """Return the variables, by their names; empty where they are not set."""
    names = (KEY, USER, ACCOUNT, STATE, *NAMES)
    return {name: Secret(environ.get(name, "")) for name in names}


def checked(known: Mapping[str, Secret]) -> bool:
    """Tell whether the variables are those for v4, which has a client id.

    Raises:
        InputError: some that are needed are missing.
    """
    new = bool(known[CLIENT_ID])
    needed = (KEY, CLIENT_SECRET) if new else (KEY, USER)
    missing = [name for name in needed if not known[name]]
    if missing:
        raise InputError(f"set {' and '.join(missing)} in the environment{'' if new else _FOR_V4}")
    return new


T = TypeVar("T")


class ClientOptions(TypedDict, total=False):
    """The options of `EnlightenClient`, as it explains them."""

    plan: Plan | None
    state: str | os.PathLike[str] | None
    quota_store: QuotaStore | None
    interval_cache: IntervalCache | None
    retry: RetryPolicy | None
    timeout: float | None
    max_concurrency: int
    base_url: str
    proxy: str | None
    verify: bool | str | ssl.SSLContext
    transport: httpx.AsyncBaseTransport | None
    clock: Clock | None


class Unchanged:
    """Stands for an option that stays as it is."""

    def __repr__(self) -> str:
        return "unchanged"


UNCHANGED: Final = Unchanged()


def changed(
    options: QueryOptions,
    *,
    max_wait: float | Unchanged | None,
    max_requests: int | Unchanged | None,
    exhaustive: bool | Unchanged,
    priority: Priority | Unchanged,
    max_age: timedelta | float | Unchanged | None,
) -> QueryOptions:
    """Return options with those changed that are given.

    Raises:
        InputError: there is no such priority, or no such age.
    """
    if not isinstance(priority, Unchanged) and priority not in RANKS:
        raise InputError(f"priority must be one of {', '.join(RANKS)}, not {priority!r}")
    return evolve(
        options,
        max_wait=_or(max_wait, options.max_wait),
        max_requests=_or(max_requests, options.max_requests),
        exhaustive=_or(exhaustive, options.exhaustive),
        priority=_or(priority, options.priority),
        max_age=options.max_age if isinstance(max_age, Unchanged) else _seconds(max_age),
    )


def _or(value: T | Unchanged, before: T) -> T:
    return before if isinstance(value, Unchanged) else value


def _seconds(max_age: timedelta | float | None) -> float | None:
    """Return an age in seconds; refuse one below 0, or without end."""
    age = max_age.total_seconds() if isinstance(max_age, timedelta) else max_age
    if age is not None and not 0 <= age < float("inf"):
        raise InputError(f"max_age must be a timedelta or seconds, 0 or more, or None, not {max_age!r}")
    return age


def check_numbers(timeout: float | None, max_concurrency: int) -> None:
    """Raise `InputError` if one of them makes no sense."""
    if timeout is not None and not timeout > 0:
        raise InputError(
            f"timeout must be a number of seconds above 0, or None for no limit, not {timeout!r}"
        )
    if not max_concurrency >= 1:
        raise InputError(f"max_concurrency must be at least 1, not {max_concurrency!r}")


def network(options: ClientOptions) -> Any:
    """Return the options that say how the service is reached."""
    names = ("base_url", "timeout", "proxy", "verify", "transport", "clock")
    return {name: value for name, value in options.items() if name in names}
