"""Fleet: the systems that are followed, and what that costs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from math import inf
from typing import Final

from attrs import frozen

from enlighten_async.client import EnlightenClient
from enlighten_async.errors import InputError
from enlighten_async.fleet.plan import FleetPlan, KeyShare, fleet_plan
from enlighten_async.fleet.schedule import MEAN_DAYLIGHT_S, Budget
from enlighten_async.models import QuotaStatus
from enlighten_async.windows import DAY

DARK_AT_NIGHT: Final = frozenset({"rgm_stats", "stats", "production_meter"})
"""Series of production: at night they have no news."""

FOLLOWED: Final = (
    *("rgm_stats", "stats", "production_meter", "consumption_stats", "battery"),
    *("energy_import_telemetry", "energy_export_telemetry"),
)
"""Series that a fleet may follow: those of whole systems in intervals."""

LIST_AGE_S: Final = float(DAY)
"""Seconds for which a cached list of systems will do."""


@frozen
class FleetSystem:
    """One system of a fleet."""

    system_id: int
    """The service's number of it."""
    client: EnlightenClient
    """The view of the client that asks about it."""
    timezone: str | None
    """IANA name of its time zone, where known."""
    cellular: bool
    """Whether its gateway reports by a cellular modem."""


class Fleet:
    """The systems of one key or of several, one series of which is followed.

    Args:
        clients: the client of a key, or one for each key. Options of the views that are given stay.
        series: name of the series' method, such as "rgm_stats".
        accounts: names of the accounts (v2: user ids) whose systems these are; by default the client's own.
            With several clients each has its own.
        every: the longest time between two polls of a system while it produces; at least 15 minutes, as
            gateways report. `None`: as fresh as the quota allows, which uses the whole month up: mind plans
            that charge by request (`FleetPlan.cost_usd`).

    Raises:
        InputError: an argument is wrong.
    """

    def __init__(
        self,
        clients: EnlightenClient | Sequence[EnlightenClient],
        series: str,
        *,
        accounts: Collection[str] | None = None,
        every: timedelta | None = None,
    ) -> None:
        given = [clients] if isinstance(clients, EnlightenClient) else list(clients)
        if not given or not all(isinstance(each, EnlightenClient) for each in given):
            raise InputError("a fleet needs an EnlightenClient, or several, one for each key")
        known = given[0]._session.api.cached_series
        if series not in FOLLOWED or series not in known:
            names = ", ".join(name for name in FOLLOWED if name in known)
            raise InputError(f"series must be one of {names}, not {series!r:.60}")
        _check_every(every)
        self._clients = _views(given, accounts)
        self._series = series
        self._every = every

    def __repr__(self) -> str:
        return f"<Fleet {self._series} of {len(self._clients)} accounts>"

    @property
    def _daylight(self) -> float:
        """Seconds of a day in which a system has news."""
        return float(MEAN_DAYLIGHT_S if self._series in DARK_AT_NIGHT else DAY)

    async def plan(self) -> FleetPlan:
        """Return what the fleet will cost, and how fresh it will be.

        It asks for the lists of systems alone, and not for those that are cached and younger than a day.

        Raises:
            EnlightenError: a list could not be had: one of those that `Query` lists.
        """
        systems = await self._list()
        counts: dict[int, int] = {}
        for each in systems:
            counts[_key(each.client)] = counts.get(_key(each.client), 0) + 1
        views = {_key(client): client for client in self._clients}
        shares = [
            KeyShare(counts.get(key, 0), budget_of(await view.quota()), view.plan)
            for key, view in views.items()
        ]
        return fleet_plan(shares, self._every, self._daylight)

    async def _list(self) -> list[FleetSystem]:
        """Return the systems of all accounts; one that two accounts have belongs to the first."""
        found: dict[int, FleetSystem] = {}
        for client in self._clients:
            view = client if client._session.cache is None else client.with_options(max_age=LIST_AGE_S)
            async for system in view.systems():
                cellular = system.connection_type == "cellular"
                one = FleetSystem(system.system_id, client, system.timezone, cellular)
                found.setdefault(system.system_id, one)
        return list(found.values())


def _check_every(every: object) -> None:
    """Raise `InputError` for what is no length of time."""
    if every is not None and (not isinstance(every, timedelta) or every <= timedelta(0)):
        raise InputError(f"every must be a timedelta above 0, such as timedelta(hours=1), not {every!r:.60}")


def _views(
    clients: Sequence[EnlightenClient], accounts: Collection[str] | None
) -> tuple[EnlightenClient, ...]:
    """Return a view for each account, whose requests give way to people's."""
    if accounts is None:
        return tuple(client.with_options(priority="poll") for client in clients)
    if len(clients) > 1:
        raise InputError("accounts are those of one client: of several, give a view of each by with_options")
    if isinstance(accounts, str) or not accounts:
        raise InputError(f"accounts must be a list of names, such as ['anna', 'ben'], not {accounts!r:.60}")
    return tuple(clients[0].with_options(user_id=name, priority="poll") for name in dict.fromkeys(accounts))


def _key(client: EnlightenClient) -> int:
    """Return what tells the key of a client from that of another."""
    return id(client._session.limiter)


def budget_of(quota: QuotaStatus) -> Budget:
    """Return what may be spent by what is known of a key's quota.

    A month of which nobody knows what was used is planned with as if it were fresh; the limiter knows better
    before anything is sent.
    """
    month, minute = quota.month, quota.minute
    left = inf if month.limit is None else float(max(0, month.limit - (month.used or 0)))
    if month.closed_until is not None and month.closed_until >= month.turns_at:
        left = 0.0
    days = (month.turns_at - quota.as_of).total_seconds() / DAY
    return Budget(left, days, inf if minute.limit is None else float(minute.limit))
