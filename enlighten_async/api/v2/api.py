"""Version 2 of the API, by method."""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from functools import partial
from typing import ClassVar

from attrs import Factory, field, frozen

from enlighten_async.api import decode
from enlighten_async.api.v2 import daily, systems
from enlighten_async.api.v2.errors import explain
from enlighten_async.api.v2.series import CONSUMPTION_STATS, RGM_STATS, STATS
from enlighten_async.api.v2.systems import (
    envoys,
    inventory,
    inverters_summary_by_envoy_or_site,
    monthly_production,
    production_meter_readings,
)
from enlighten_async.errors import EnlightenError, InputError
from enlighten_async.limiter import Plan
from enlighten_async.models.systems import SystemsPage
from enlighten_async.query import Endpoints
from enlighten_async.transport import Credentials, Secret
from enlighten_async.wire import Request, Requests, Response, never_final

BASE_URL = "https://api.enphaseenergy.com/api/v2"
"""The service's own address; v2 has ended there."""

PLANS: Mapping[str, Plan] = {"Watt": Plan(minute=10, month=10_000, name="Watt")}
"""Plans by their names; of v2 only the free one's figures are known."""


def credentials(api_key: Secret, user_id: Secret) -> Credentials:
    """Return what goes with each request of v2: key and user id, in the query.

    Raises:
        InputError: one of them cannot be one.
    """
    for name, secret in (("api_key", api_key), ("user_id", user_id)):
        if not _sound(secret):
            raise InputError(
                f"{name} must be a text without spaces, as the service gave it; it is not shown here"
            )
    return Credentials(params=(("key", api_key), ("user_id", user_id)))


def _sound(secret: Secret) -> bool:
    return re.fullmatch(r"[!-~]+", secret.reveal()) is not None


@frozen
class ApiV2:
    """The dialect of version 2.

    Attributes:
        official: whether it is spoken with the service's own host, whose v2 has ended.
        zones: names of systems' time zones, as far as they are known; answers add to them.
        endpoints: what it can be asked, by the names of the client's methods.
    """

    official: bool = True
    zones: MutableMapping[int, str] = Factory(dict)
    endpoints: Endpoints = field(init=False, repr=False)
    version: ClassVar[str] = "v2"
    plans: ClassVar[Mapping[str, Plan]] = PLANS
    absent: ClassVar[Mapping[str, str]] = {}

    @endpoints.default
    def _endpoints(self) -> Endpoints:
        return {
            "systems": partial(systems.systems, self.zones),
            "search_system_id": systems.search_system_id,
            "summary": systems.summary,
            "stats": partial(STATS.draft, zones=self.zones),
            "rgm_stats": partial(RGM_STATS.draft, zones=self.zones),
            "consumption_stats": partial(CONSUMPTION_STATS.draft, zones=self.zones),
            "energy_lifetime": daily.energy_lifetime,
            "consumption_lifetime": daily.consumption_lifetime,
            "envoys": envoys,
            "inventory": inventory,
            "inverters_summary_by_envoy_or_site": inverters_summary_by_envoy_or_site,
            "production_meter_readings": production_meter_readings,
            "monthly_production": monthly_production,
        }

    def explain(self, response: Response, endpoint: str) -> EnlightenError | None:
        """Return what an answer means if it is not data, else `None`."""
        return explain(response, official=self.official)

    def time_zone(self, system_id: int) -> Requests[str]:
        """Ask for the name of a system's time zone; no answer but `/systems` has it."""

        def named(response: Response) -> str:
            for system in decode.value(SystemsPage, response).systems:
                if system.system_id == system_id and system.timezone:
                    return system.timezone
            raise decode.zone_unknown(system_id, response)

        one = (("system_id", str(system_id)),)
        yield Request("systems", "/systems", one, named, valid_until=never_final)
