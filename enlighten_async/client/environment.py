"""The environment's variables that tell who a client asks for, and by which version of the API."""

from __future__ import annotations

from collections.abc import Mapping

from enlighten_async.errors import InputError
from enlighten_async.oauth import environment as application
from enlighten_async.transport import Secret

KEY, USER, ACCOUNT = "ENLIGHTEN_API_KEY", "ENLIGHTEN_USER_ID", "ENLIGHTEN_ACCOUNT"
BASE_URL, STATE = application.BASE_URL, "ENLIGHTEN_STATE"

_FOR_V4 = f"; for v4, {application.CLIENT_ID} and {application.CLIENT_SECRET} take the place of {USER}"


def read(environ: Mapping[str, str | Secret]) -> dict[str, Secret]:
    """Return the variables, by their names; empty where they are not set."""
    names = (KEY, USER, ACCOUNT, STATE, *application.NAMES)
    return {name: Secret(environ.get(name, "")) for name in names}


def checked(known: Mapping[str, Secret]) -> bool:
    """Tell whether the variables are those for v4, which has a client id.

    Raises:
        InputError: some that are needed are missing.
    """
    new = bool(known[application.CLIENT_ID])
    needed = (KEY, application.CLIENT_SECRET) if new else (KEY, USER)
    missing = [name for name in needed if not known[name]]
    if missing:
        raise InputError(f"set {' and '.join(missing)} in the environment{'' if new else _FOR_V4}")
    return new
