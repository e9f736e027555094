"""Transport: brings requests to the service and whole responses back; the only package that knows httpx."""

from enlighten_async.transport.connections import (
    ConnectionOptions,
    NetworkOptions,
    ServicePool,
    Verify,
    check_network,
    hide_secrets,
    is_number,
)
from enlighten_async.transport.credentials import Credentials, Redactor, Secret
from enlighten_async.transport.exchange import Exchange
from enlighten_async.transport.http import LARGE_BODY_BYTES, Transport, service_of
from enlighten_async.transport.origin import Origin, is_loopback, origin

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
