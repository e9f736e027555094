"""Version 2 of the API: its methods, tariffs, credentials, lists of systems, and the consent of users."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, MutableMapping
from contextlib import AbstractContextManager, nullcontext
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal, Unpack
from urllib.parse import SplitResult, parse_qs, urlencode, urlsplit

from attrs import Factory, define, frozen

from enlighten_async import errors, models
from enlighten_async.api import decode, systems
from enlighten_async.api import error_bodies as bodies
from enlighten_async.api.daily import DateRange, production_params
from enlighten_async.api.paging import Seen, SystemFilters
from enlighten_async.api.ranges import DayRange, TimeRange
from enlighten_async.api.series import LearnedSpans
from enlighten_async.api.single import SinglePlan, readings_plan, system_plan
from enlighten_async.api.v2 import series
from enlighten_async.errors import EnlightenError, InputError
from enlighten_async.limiter import Plan, Renewals
from enlighten_async.query.plan import AnswerPlan, QueryPlan
from enlighten_async.transport import Credentials, Secret
from enlighten_async.windows import Moment, calendar_day
from enlighten_async.wire import Params, Request, Requests, Response, never_final

if TYPE_CHECKING:
    from enlighten_async.models.systems import SystemsPage

BASE_URL = "https://api.enphaseenergy.com/api/v2"
"""The service's own address; v2 has ended there."""

PLANS: Mapping[str, Plan] = {"Watt": Plan(minute=10, month=10_000, name="Watt")}
"""Tariffs by their names; of v2 only the free one's figures are known."""


def credentials(api_key: Secret, user_id: Secret) -> Credentials:
    """Return the credentials of v2: key and user id, in the query of each request.

    Raises:
        InputError: one of them cannot be one.
    """
    for name, secret in (("api_key", api_key), ("user_id", user_id)):
        if not secret.is_visible_ascii:
            raise InputError(
                f"{name} must be a text without spaces, as the service gave it; it is not shown here"
            )
    return Credentials(params=(("key", api_key), ("user_id", user_id)))


@define(eq=False)
class StaticCredentials:
    """Credentials that never have to be refreshed, as v2 has them.

    Attributes:
        credentials: the credentials.
        cache_scope: the text that tells this user from any other.
        accepted: those for which the service last gave an answer.
    """

    credentials: Credentials
    cache_scope: Secret
    accepted: Credentials | None = None

    def current(self) -> Credentials:
        """Return the credentials."""
        return self.credentials

    async def refresh(
        self,
        denied: Credentials | None = None,
        until: float | None = None,
        renewals: Renewals | None = None,
    ) -> None:
        """Leave them as they are."""

    def hearing(self, until: float | None) -> AbstractContextManager[None]:
        """Wait, within, for something else: there is no failure to get them."""
        return nullcontext()

    def failure(self, text: str) -> None:
        """Return `None`: nobody waits for them."""


SYSTEMS_PER_PAGE = 1_000
"""Systems per page, the most the service gives."""

NO_CURSOR = ""
"""Stands for the cursor of the first page, which has none."""


@frozen
class SystemsPlanV2(systems.SystemsPlan):
    """The plan of a query for the systems of a user: pages by cursors that the service gives.

    Attributes:
        filters: the filters, as parameters.
    """

    filters: Params

    @property
    def first(self) -> str:
        """The cursor of the first page."""
        return NO_CURSOR

    def request(self, cursor: str, seen: Seen) -> Request[SystemsPage]:
        """Return the request for a page."""
        params = (("limit", str(SYSTEMS_PER_PAGE)), *self.filters)
        if cursor != NO_CURSOR:
            params = (*params, ("next", cursor))
        texts = [value for name, value in self.filters if name.startswith("system_id")]
        asked = [int(value) for value in texts] if all(map(str.isdecimal, texts)) else []
        read = partial(systems.systems_page, asked, seen, systems.with_count)
        return Request("systems", "/systems", params, read, valid_until=never_final)


def filter_params(**filters: Unpack[SystemFilters]) -> Params:
    """Return filters as parameters, in the API's order.

    Raises:
        InputError: a filter is empty, or not of texts.
    """
    return tuple(pair for name in SystemFilters.__annotations__ for pair in _pairs(name, filters.get(name)))


def _pairs(name: str, given: object) -> Params:
    """Return one filter as parameters: `status=comm`, or `status[]=comm&status[]=micro`."""
    values = systems.filter_values(name, given)
    return tuple((name if len(values) == 1 else f"{name}[]", value) for value in values)


@frozen
class ApiV2:
    """Version 2 of the API, method by method, as `Api` says.

    Attributes:
        official: whether requests go to the service's own host, whose v2 has ended.
        time_zones: names of systems' time zones, as far as they are known; answers add to them.
        spans: the lengths of ranges that the service has named when it refused longer ones.
    """

    official: bool = True
    time_zones: MutableMapping[int, str] = Factory(dict)
    spans: LearnedSpans = Factory(LearnedSpans)
    version: ClassVar[str] = "v2"
    plans: ClassVar[Mapping[str, Plan]] = PLANS
    cached_series: ClassVar[tuple[str, ...]] = series.CACHED

    def error_for(self, response: Response, endpoint: str) -> EnlightenError:
        """Return the error that a response of an endpoint stands for, which is no data."""
        return error_for(response, official=self.official)

    def time_zone(self, system_id: int) -> Requests[str]:
        """Ask for the name of a system's time zone; no response but that of `/systems` has it."""
        only = (("system_id", str(system_id)),)
        read = partial(_time_zone_in, system_id)
        yield Request("systems", "/systems", only, read, valid_until=never_final)

    def systems(self, **filters: Unpack[SystemFilters]) -> QueryPlan[models.System, models.Systems]:
        """Plan a list of the systems of a user that pass all filters."""
        return SystemsPlanV2(self.time_zones, filter_params(**filters))

    def search_system_id(self, serial_num: str) -> AnswerPlan[models.SystemId]:
        """Plan a search for the system that a gateway belongs to."""
        return systems.search_system_id_plan(serial_num, path="/systems/search_system_id")

    def summary(self, system_id: int, summary_date: date | None = None) -> AnswerPlan[models.Summary]:
        """Plan a system's state and energy on one local day."""
        return systems.summary_plan(system_id, summary_date)

    def stats(self, system_id: int, **range_: Unpack[TimeRange]) -> AnswerPlan[models.Stats]:
        """Plan the 5-minute intervals of a system's microinverters."""
        return series.STATS.plan(system_id, self.time_zones, self.spans, **range_)

    def rgm_stats(self, system_id: int, **range_: Unpack[TimeRange]) -> AnswerPlan[models.RgmStats]:
        """Plan the 15-minute intervals of a system's revenue-grade meters."""
        return series.RGM_STATS.plan(system_id, self.time_zones, self.spans, **range_)

    def consumption_stats(
        self, system_id: int, **range_: Unpack[TimeRange]
    ) -> AnswerPlan[models.ConsumptionStats]:
        """Plan the 15-minute intervals of a site's consumption."""
        return series.CONSUMPTION_STATS.plan(system_id, self.time_zones, self.spans, **range_)

    def energy_lifetime(
        self, system_id: int, *, production: Literal["all"] | None = None, **days: Unpack[DayRange]
    ) -> AnswerPlan[models.EnergyLifetime]:
        """Plan the energy produced on each local day."""
        return series.ENERGY_LIFETIME.plan(
            system_id, DateRange.of("energy_lifetime", **days), production_params(production)
        )

    def consumption_lifetime(
        self, system_id: int, **days: Unpack[DayRange]
    ) -> AnswerPlan[models.ConsumptionLifetime]:
        """Plan the energy consumed on each local day."""
        return series.CONSUMPTION_LIFETIME.plan(system_id, DateRange.of("consumption_lifetime", **days))

    def envoys(self, system_id: int) -> AnswerPlan[models.Envoys]:
        """Plan a list of a system's gateways."""
        return system_plan(lambda: models.Envoys, "envoys", system_id)

    def inventory(self, system_id: int) -> AnswerPlan[models.Inventory]:
        """Plan a list of a system's active devices."""
        return system_plan(lambda: models.Inventory, "inventory", system_id)

    def inverters_summary_by_envoy_or_site(self, site_id: int) -> AnswerPlan[models.InvertersSummary]:
        """Plan a list of the last reports of a system's microinverters; here the API says site for it."""
        name = "inverters_summary_by_envoy_or_site"
        return SinglePlan(
            Request(name, f"/systems/{name}", (("site_id", str(site_id)),), systems.inverters_summary),
            lambda: models.InvertersSummary,
        )

    def production_meter_readings(
        self, system_id: int, end_at: Moment | None = None
    ) -> AnswerPlan[models.ProductionMeterReadings]:
        """Plan the last readings of a system's production meters."""
        return readings_plan(
            lambda: models.ProductionMeterReadings, "production_meter_readings", system_id, end_at
        )

    def monthly_production(self, system_id: int, start_date: date) -> AnswerPlan[models.MonthlyProduction]:
        """Plan the energy of the month from a local day on, at least a month ago; deprecated by the service.

        The warning that says so names the line which calls the client's method.
        """
        day = calendar_day(start_date, "start_date")
        warnings.warn(
            "monthly_production is deprecated by the service: use energy_lifetime for the energy of days, "
            "or production_meter_readings for the readings of meters",
            DeprecationWarning,
            stacklevel=3,
        )
        params = (("start_date", str(day)),)
        return system_plan(lambda: models.MonthlyProduction, "monthly_production", system_id, params=params)


def _time_zone_in(system_id: int, response: Response) -> str:
    """Decode the name of a system's time zone from a list of systems."""
    page = decode.value(models.systems.SystemsPage, response)
    listed = [each for each in page.systems if each.system_id == system_id]
    zone = next((each.timezone for each in listed if each.timezone), None)
    if zone is None:
        raise decode.zone_unknown(system_id, response, listed=bool(listed))
    return zone


_ERRORS: Mapping[int, tuple[type[errors.APIError], str]] = {
    401: (errors.AuthenticationError, "check the API key and the user id, and that the user granted access"),
    403: (errors.PermissionDenied, "the user or the plan does not include this"),
    404: (errors.NotFound, "check the system id, and that this user may see the system"),
    409: (errors.Throttled, "over the plan's limit"),
    410: (errors.ServiceRetired, "this version of the API has ended; use v4"),
    422: (errors.RangeError, "the service takes the range for invalid"),
    429: (errors.Throttled, "over the plan's limit"),
    503: (errors.Unavailable, "too many requests at once, or the service is down"),
}

_TEXTS = ("message", "errorMessages", "reason")
"""Fields that may hold the text of an error; the service has seven shapes for it."""

_RETIRED = "v2 of the service ended on 2024-06-30, and this is not an answer of it; use v4"


def error_for(response: Response, *, official: bool) -> errors.EnlightenError:
    """Return the error that a response stands for, which is no data.

    Args:
        response: the response.
        official: whether it came from the service's own host, whose v2 has ended.
    """
    body = bodies.envelope(response)
    if official and not body and (response.status in {200, 404, 410} or 300 <= response.status < 400):
        return errors.ServiceRetired(_RETIRED, status=response.status, response=response)
    text = bodies.message_of(body, *_TEXTS).rstrip(".")
    kind, advice = _kind(response, body, text)
    message = f"{response.status}{f' {text}' if text else ''}: {advice}"
    return bodies.with_facts(kind(message, status=response.status, response=response), body)


def _kind(response: Response, body: Mapping[str, object], text: str) -> tuple[type[errors.APIError], str]:
    if bodies.is_about_range(text):
        return _ERRORS[422]
    if response.status == 500 and body.get("errorCode") == bodies.UNAVAILABLE:
        return errors.Unavailable, "the service does not have this data for now; ask again later"
    if response.status == 422 and text.startswith("Couldn't find "):
        return _ERRORS[404]
    return bodies.kind_of(response, _ERRORS)


# Consent of a user: the page to open, and the address it leads back to

CONSENT_URL = "https://enlighten.enphaseenergy.com/app_user_auth/new"
"""The page on which a user consents."""


def authorization_url(app_id: int | str, *, redirect: str | None = None) -> str:
    """Return the address of the page on which a user lets an application see their systems.

    Args:
        app_id: the application's id, such as "1409611733144"; it is not the API key.
        redirect: where the page leads to when the user has consented, with `user_id` in its query; without
            it the page shows the user id.

    Raises:
        InputError: an argument is wrong.
    """
    if isinstance(app_id, bool) or not _is_plausible(str(app_id) if isinstance(app_id, int) else app_id):
        raise InputError("app_id must be the application's id, such as '1409611733144'")
    query = {"app_id": str(app_id)}
    if redirect is not None:
        parts = _url_parts(redirect, "redirect")
        if parts.scheme not in {"http", "https"} or not parts.netloc:
            raise InputError("redirect must be a whole URL, such as 'https://example.com/consented'")
        query["redirect"] = redirect
    return f"{CONSENT_URL}?{urlencode(query)}"


def parse_redirect(url: str) -> str:
    """Return the user id from the address to which a user came back, whole or without its host.

    Args:
        url: the address, as the browser was sent to it.

    Raises:
        InputError: there is no user id in it, or more than one. It shows no part of the address.
    """
    found = set(parse_qs(_url_parts(url, "url").query).get("user_id", ()))
    if len(found) != 1:
        raise InputError(
            f"the address has {'several of' if found else 'no'} user_id in its query: "
            f"pass it as the user came back with it"
        )
    user_id = found.pop()
    if not _is_plausible(user_id):
        raise InputError("the user_id in the address is not one: it has spaces or is not ASCII")
    return user_id


def _is_plausible(text: object) -> bool:
    return isinstance(text, str) and re.fullmatch(r"[!-~]+", text) is not None


def _url_parts(url: object, name: str) -> SplitResult:
    """Return the parts of a URL; errors do not show it, as it may hold a user id."""
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
    except ValueError:
        parts = None
    if parts is None:
        raise InputError(f"{name} must be a URL, as a text")
    return parts
