"""Applications registered with the developer portal, and the access controls of applications and tariffs."""

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
PLAN_ACCESS = {"Watt": WATT, "Kilowatt": KILOWATT, "Megawatt": MEGAWATT}
"""Access controls of each tariff; a tariff that is not named may read everything."""


@frozen(kw_only=True)
class App:
    """An application."""

    key: str = field(repr=False)
    """Its API key."""
    client_id: str
    """Its id in OAuth2."""
    client_secret: str = field(repr=False)
    """Its secret in OAuth2."""
    access_controls: frozenset[str] | None = None
    """The access controls selected for it; `None`: all its tariff has."""
    partner: bool = False
    """Whether it may use the password grant."""


class Apps:
    """The registered applications; with `None` every client, secret and key is valid."""

    def __init__(self, apps: Iterable[App] | None) -> None:
        self._apps = None if apps is None else list(apps)

    def is_valid_client(self, client_id: str, client_secret: str | None = None) -> bool:
        """Return whether a client exists and, if a secret is given, whether it is the client's."""
        if self._apps is None:
            return bool(client_id) and client_secret != ""
        app = self._by_client(client_id)
        return app is not None and client_secret in {None, app.client_secret}

    def match(self, key: str, client_id: str) -> bool:
        """Return whether key and client are of the same application."""
        return self._apps is None or any(a.key == key and a.client_id == client_id for a in self._apps)

    def may_use_password(self, client_id: str) -> bool:
        """Return whether an application may use the password grant."""
        app = self._by_client(client_id)
        return self._apps is None or (app is not None and app.partner)

    def may_read(self, access: str, key: str, plan: str) -> bool:
        """Return whether the key's application has an access control on this tariff."""
        app = next((app for app in self._apps or () if app.key == key), None)
        selected = None if app is None else app.access_controls
        return access in PLAN_ACCESS.get(plan, {access}) and (selected is None or access in selected)

    @property
    def first_client(self) -> str:
        """The id of the first client, for tokens without a login; a fixed name without applications."""
        return self._apps[0].client_id if self._apps else "any-client"

    def _by_client(self, client_id: str) -> App | None:
        return next((app for app in self._apps or () if app.client_id == client_id), None)
