"""TLS contexts, built when first needed (one takes some 20 ms) and shared from then on."""

from __future__ import annotations

import ssl
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

import httpcore2

from enlighten_async.errors import InputError

Verify: TypeAlias = bool | str | ssl.SSLContext
"""`True`: the system's trust store; a path: this CA file or directory; `False`: no check at all."""


def ssl_context(verify: Verify) -> ssl.SSLContext:
    """Return the context for a setting.

    Raises:
        InputError: the CA file or directory cannot be read.
    """
    if isinstance(verify, ssl.SSLContext):
        return verify
    if isinstance(verify, bool):
        return _builtin(verify)
    return _from_path(verify)


@lru_cache(maxsize=2)
def _builtin(verify: bool) -> ssl.SSLContext:
    context = httpcore2.default_ssl_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


@lru_cache(maxsize=8)
def _from_path(path: str) -> ssl.SSLContext:
    try:
        if Path(path).is_dir():
            return ssl.create_default_context(capath=path)
        return ssl.create_default_context(cafile=path)
    except OSError as error:
        reason = str(error)
    raise InputError(f"verify={path!r}: no CA certificates could be read from there ({reason})")
