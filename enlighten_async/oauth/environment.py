"""The environment's variables that tell of an application."""

from __future__ import annotations

from collections.abc import Mapping

from enlighten_async.errors import InputError
from enlighten_async.transport import Secret

CLIENT_ID, CLIENT_SECRET = "ENLIGHTEN_CLIENT_ID", "ENLIGHTEN_CLIENT_SECRET"
TOKENS, BASE_URL = "ENLIGHTEN_TOKENS", "ENLIGHTEN_BASE_URL"
NAMES = (CLIENT_ID, CLIENT_SECRET, TOKENS, BASE_URL)


def read(environ: Mapping[str, str | Secret]) -> dict[str, Secret]:
    """Return the variables, by their names; empty where they are not set."""
    return {name: Secret(environ.get(name, "")) for name in NAMES}


def check(known: Mapping[str, Secret]) -> None:
    """Raise `InputError` if one that is needed is missing."""
    missing = [name for name in (CLIENT_ID, CLIENT_SECRET) if not known[name]]
    if missing:
        raise InputError(f"set {' and '.join(missing)} in the environment")
