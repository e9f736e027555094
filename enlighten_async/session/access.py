"""What proves who is asking, for as long as it holds."""

from __future__ import annotations

from typing import Protocol

from attrs import frozen

from enlighten_async.transport import Credentials, Secret


class Access(Protocol):
    """The credentials of one user, which may have to be renewed from time to time."""

    @property
    def owner(self) -> Secret:
        """What tells this user of this application from any other, for as long as there are credentials."""
        ...

    def ready(self) -> Credentials | None:
        """Return credentials that may be used now; `None` if they have to be renewed before."""
        ...

    async def renew(self, refused: Credentials | None = None) -> None:
        """Make credentials ready, once for all who wait for them.

        Args:
            refused: those which the service did not accept; if others are in force by now, these will do.
        """
        ...


@frozen
class Lasting:
    """Credentials that hold for ever.

    Attributes:
        credentials: the credentials.
        owner: what tells this user from any other.
    """

    credentials: Credentials
    owner: Secret

    def ready(self) -> Credentials:
        """Return the credentials."""
        return self.credentials

    async def renew(self, refused: Credentials | None = None) -> None:
        """Leave them as they are."""
