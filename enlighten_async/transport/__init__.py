"""Brings requests to the service and whole answers back; the only part that knows httpx."""

from enlighten_async.transport.connections import Verify
from enlighten_async.transport.credentials import Credentials, Redactor, Secret
from enlighten_async.transport.exchange import ExchangeObserver
from enlighten_async.transport.http import Transport, service_of
from enlighten_async.transport.origin import Origin, origin

__all__ = [
    "Credentials",
    "ExchangeObserver",
    "Origin",
    "Redactor",
    "Secret",
    "Transport",
    "Verify",
    "origin",
    "service_of",
]
