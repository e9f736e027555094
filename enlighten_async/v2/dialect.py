"""How version 2 of the API speaks."""

from __future__ import annotations

import re
from collections.abc import Mapping

from attrs import frozen

from enlighten_async.errors import EnlightenError, InputError, NotFound
from enlighten_async.quota import Plan
from enlighten_async.transport import Credentials, Secret
from enlighten_async.v2 import decode
from enlighten_async.v2.refusals import explain
from enlighten_async.wire import Flow, Request, Response

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
class V2:
    """The dialect of version 2.

    Attributes:
        official: whether it is spoken with the service's own host, whose v2 has ended.
    """

    official: bool = True

    def explain(self, response: Response) -> EnlightenError | None:
        """Return what an answer means if it is not data, else `None`."""
        return explain(response, official=self.official)

    def time_zone(self, system_id: int) -> Flow[str]:
        """Ask for the name of a system's time zone; no answer but `/systems` has it."""

        def named(response: Response) -> str:
            for system in decode.systems(response).systems:
                if system.system_id == system_id and system.timezone:
                    return system.timezone
            raise NotFound(
                f"this user sees no system {system_id} with a time zone: check the system id, "
                f"or give start_at/end_at, which need no time zone",
                status=response.status,
                response=response,
            )

        yield Request("systems", "/systems", (("system_id", str(system_id)),), named)
