"""Quota stores for a client: counts shared by a process, or by the processes of a machine through a file."""

from __future__ import annotations

import os
import secrets
import weakref
from collections.abc import Hashable
from functools import partial
from hashlib import blake2b

from enlighten_async.clock import Clock, SystemClock
from enlighten_async.limiter import MemoryQuotaStore, QuotaStore, SqliteQuotaStore, shared_store
from enlighten_async.state import state_file
from enlighten_async.transport import Secret, Transport

_PEPPER = secrets.token_bytes(32)


def for_process(api_key: Secret, transport: Transport, clock: Clock) -> QuotaStore:
    """Return the counts in memory that all clients of this process on one key share.

    A service inside the process, such as an emulator, counts by itself, and so does a clock of its own.
    """
    return shared_store(_scope(api_key, transport, clock), MemoryQuotaStore)


def for_file(
    path: str | os.PathLike[str], api_key: Secret, transport: Transport, clock: Clock, timeout: float | None
) -> SqliteQuotaStore:
    """Return the counts in a file that all clients of this machine on one key share.

    Args:
        path: the state file.
        api_key: the application's key.
        transport: the way to the service.
        clock: the source of time.
        timeout: seconds for one request.

    Raises:
        InputError: the file's folder does not exist.
    """
    file = state_file(path)
    name = partial(_name, api_key, transport.origin.base, transport.service is not None)
    store = shared_store(
        (file.path, *_scope(api_key, transport, clock)),
        lambda: SqliteQuotaStore(file, name, clock=clock, timeout=timeout),
    )
    store.extend_timeout(timeout)
    return store


def _scope(api_key: Secret, transport: Transport, clock: Clock) -> tuple[Hashable, ...]:
    digest = blake2b(api_key.reveal().encode(), key=_PEPPER).digest()
    time = None if isinstance(clock, SystemClock) else _identity(clock)
    return digest, transport.origin, _identity(transport.service), time


def _name(api_key: Secret, base: str, inside: bool, salt: bytes) -> bytes:
    """Return the name of a key in a file: without the file nobody can tell whether it is a certain key's."""
    what = f"{base}\0{'inside' if inside else ''}\0{api_key.reveal()}"
    return blake2b(what.encode(), key=salt, digest_size=32).digest()


def _identity(value: object) -> Hashable:
    """Return a stand-in for an object that does not keep it alive, where that is possible."""
    if value is None:
        return None
    try:
        return weakref.ref(value)
    except TypeError:
        return id(value)
