"""Which clients of a process count what they spend together."""

from __future__ import annotations

import secrets
import weakref
from collections.abc import Hashable
from hashlib import blake2b

from enlighten_async.clock import Clock, SystemClock
from enlighten_async.quota import QuotaStore, shared_store
from enlighten_async.transport import Secret, Transport

_PEPPER = secrets.token_bytes(32)


def shared_counts(api_key: Secret, transport: Transport, clock: Clock) -> QuotaStore:
    """Return the counts in memory that all clients of this process on one key share.

    A service inside the process, such as an emulator, counts by itself, and so does a clock of its own.
    """
    digest = blake2b(api_key.reveal().encode(), key=_PEPPER).digest()
    time = None if isinstance(clock, SystemClock) else _identity(clock)
    return shared_store((digest, transport.origin, _identity(transport.service), time))


def _identity(value: object) -> Hashable:
    """Return what stands for an object without keeping it alive, where that is possible."""
    if value is None:
        return None
    try:
        return weakref.ref(value)
    except TypeError:
        return id(value)
