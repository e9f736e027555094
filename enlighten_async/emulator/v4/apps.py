"""Applications as the portal knows them, and what they and their tariffs may read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Iterable

DETAILS = "System Details"
PRODUCTION = "Site Level Production Monitoring"
CONSUMPTION = "Site Level Consumption Monitoring"
EV = "EV Charger Monitoring"
DEVICES = "Device Level Production Monitoring"
CONFIGURATIONS = "System Configurations"

WATT = frozenset({DETAILS, PRODUCTION, CONSUMPTION, EV})
KILOWATT = WATT | {DEVICES}
MEGAWATT = KILOWATT | {CONFIGURATIONS}
PLANS = {"Watt": WATT, "Kilowatt": KILOWATT, "Megawatt": MEGAWATT}
"""What each tariff may read; one that is not named may read everything."""


@frozen(kw_only=True)
class App:
    """An application.

    Attributes:
        key: its API key.
        client_id: its id in OAuth2.
        client_secret: its secret in OAuth2.
        access_controls: what was ticked for it; `None`: all its tariff has.
        partner: whether it may log in by an owner's password.
    """

    key: str = field(repr=False)
    client_id: str
    client_secret: str = field(repr=False)
    access_controls: frozenset[str] | None = None
    partner: bool = False


class Apps:
    """The applications there are; any at all if none are named."""

    def __init__(self, apps: Iterable[App] | None) -> None:
        self._apps = None if apps is None else list(apps)

    def knows(self, client_id: str, client_secret: str | None = None) -> bool:
        """Tell whether there is this client, and, if a secret is given, whether it is the right one."""
        if self._apps is None:
            return bool(client_id) and client_secret != ""
        app = self._by_client(client_id)
        return app is not None and client_secret in {None, app.client_secret}

    def match(self, key: str, client_id: str) -> bool:
        """Tell whether key and client are the same application's."""
        return self._apps is None or any(a.key == key and a.client_id == client_id for a in self._apps)

    def takes_passwords(self, client_id: str) -> bool:
        """Tell whether an application may log in by an owner's password."""
        app = self._by_client(client_id)
        return self._apps is None or (app is not None and app.partner)

    def may(self, access: str, key: str, plan: str) -> bool:
        """Tell whether the key's application, on this tariff, may read what needs this access control."""
        app = next((app for app in self._apps or () if app.key == key), None)
        ticked = None if app is None else app.access_controls
        return access in PLANS.get(plan, {access}) and (ticked is None or access in ticked)

    @property
    def first_client(self) -> str:
        """The id of the first client, for tokens nobody asked for; made up if any is taken."""
        return self._apps[0].client_id if self._apps else "any-client"

    def _by_client(self, client_id: str) -> App | None:
        return next((app for app in self._apps or () if app.client_id == client_id), None)
