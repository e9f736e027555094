"""What proves who is asking, for as long as it holds."""

from __future__ import annotations

from typing import Protocol

from attrs import frozen

from enlighten_async.transport import Credentials


class Access(Protocol):
    """The credentials of one user, which may have to be renewed from time to time."""

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
    """

    credentials: Credentials

    def ready(self) -> Credentials:
        """Return the credentials."""
        return self.credentials

    async def renew(self, refused: Credentials | None = None) -> None:
        """Leave them as they are."""
