"""Connections through a proxy that free their slot when they could not be set up."""

from __future__ import annotations

import anyio
import httpcore2


class ProxiedPool(httpcore2.AsyncConnectionPool):
    """A pool whose connections are `Whole`."""

    def create_connection(self, origin: httpcore2.Origin) -> httpcore2.AsyncConnectionInterface:
        """Return a connection to the origin, not open yet."""
        return Whole(super().create_connection(origin))


class Whole(httpcore2.AsyncConnectionInterface):
    """A connection that is closed when a request on it fails.

    httpcore2 leaves a tunnel as it is when TLS inside of it fails or is cancelled: neither usable nor
    closed, so that its slot in the pool would be lost.
    """

    def __init__(self, inner: httpcore2.AsyncConnectionInterface) -> None:
        self._inner = inner
        self._broken = False

    async def handle_async_request(self, request: httpcore2.Request) -> httpcore2.Response:
        """Send the request; close the connection if that fails."""
        try:
            return await self._inner.handle_async_request(request)
        except httpcore2.ConnectionNotAvailable:
            raise  # somebody else's request is on it
        except BaseException:
            self._broken = True
            with anyio.CancelScope(shield=True):
                await self._inner.aclose()
            raise

    async def aclose(self) -> None:
        """Close it."""
        await self._inner.aclose()

    def info(self) -> str:
        """Describe its state."""
        return self._inner.info()

    def can_handle_request(self, origin: httpcore2.Origin) -> bool:
        """Tell whether it leads to this origin."""
        return self._inner.can_handle_request(origin)

    def is_connected(self) -> bool:
        """Tell whether it is open."""
        return not self._broken and self._inner.is_connected()

    def is_available(self) -> bool:
        """Tell whether it can take a request."""
        return not self._broken and self._inner.is_available()

    def has_expired(self) -> bool:
        """Tell whether it was idle for too long."""
        return self._inner.has_expired()

    def is_idle(self) -> bool:
        """Tell whether no request is on it."""
        return self._inner.is_idle()

    def is_closed(self) -> bool:
        """Tell whether it is closed, or as good as."""
        return self._broken or self._inner.is_closed()

    def can_multiplex(self) -> bool:
        """Tell whether it takes several requests at a time."""
        return self._inner.can_multiplex()
