"""Transport: brings requests to the service and whole responses back; the only package that knows httpx."""

from typing import TYPE_CHECKING

from enlighten_async.lazy import lazy_names
from enlighten_async.transport.body import LARGE_BODY_BYTES
from enlighten_async.transport.credentials import Credentials, Redactor, Secret
from enlighten_async.transport.exchange import Exchange
from enlighten_async.transport.origin import (
    ConnectionOptions,
    NetworkOptions,
    Origin,
    Verify,
    check_network,
    hide_secrets,
    is_loopback,
    is_number,
    origin,
)

if TYPE_CHECKING:
    from enlighten_async.transport.connections import ServicePool
    from enlighten_async.transport.http import Transport, service_of
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {"connections": "ServicePool", "http": "Transport service_of"},  # these load httpx
    )

__all__ = [
    "LARGE_BODY_BYTES",
    "ConnectionOptions",
    "Credentials",
    "Exchange",
    "NetworkOptions",
    "Origin",
    "Redactor",
    "Secret",
    "ServicePool",
    "Transport",
    "Verify",
    "check_network",
    "hide_secrets",
    "is_loopback",
    "is_number",
    "origin",
    "service_of",
]
