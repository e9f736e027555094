"""Transport: brings requests to the service and whole responses back; the only package that knows httpx.

Its module `connections` is loaded with the first request, as are httpx and httpcore2, which only it needs.
"""

from enlighten_async.transport.credentials import Credentials, Redactor, Secret
from enlighten_async.transport.exchange import LARGE_BODY_BYTES, Exchange
from enlighten_async.transport.http import CLOSED, Transport, service_of
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
    proxy_for,
)

__all__ = [
    "CLOSED",
    "LARGE_BODY_BYTES",
    "ConnectionOptions",
    "Credentials",
    "Exchange",
    "NetworkOptions",
    "Origin",
    "Redactor",
    "Secret",
    "Transport",
    "Verify",
    "check_network",
    "hide_secrets",
    "is_loopback",
    "is_number",
    "origin",
    "proxy_for",
    "service_of",
]
