"""Brings requests to the service and whole answers back; the only part that knows httpx."""

from enlighten_async.transport.credentials import Credentials, Secret
from enlighten_async.transport.guest import service_of
from enlighten_async.transport.origin import Origin, origin
from enlighten_async.transport.redaction import Redactor
from enlighten_async.transport.send import Transport
from enlighten_async.transport.sending import Attempt
from enlighten_async.transport.tls import Verify

__all__ = [
    "Attempt",
    "Credentials",
    "Origin",
    "Redactor",
    "Secret",
    "Transport",
    "Verify",
    "origin",
    "service_of",
]
