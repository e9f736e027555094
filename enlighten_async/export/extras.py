"""Extras: libraries that are installed by those who want them, imported when they are used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from enlighten_async.errors import InputError


def load(library: str, extra: str = "arrow") -> Any:
    """Import a library.

    Args:
        library: its name.
        extra: the extra of this package that installs it.

    Raises:
        InputError: it is not installed.
    """
    try:
        return import_module(library)
    except ModuleNotFoundError as error:
        if error.name != library:
            raise
        missing = f'{library} is not installed: pip install "enlighten-async[{extra}]"'
    raise InputError(missing)
