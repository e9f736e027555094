"""Fields that come in several forms: what reads them as one."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_FLAGS: Mapping[object, bool] = MappingProxyType(
    {"true": True, "enabled": True, "on": True, "false": False, "disabled": False, "off": False}
)

_NOTHING = frozenset({"", "n/a"})
"""What stands for a text that is not known (lower case)."""


def flag(raw: object) -> bool | None:
    """Read what is true or false, or a word that says so; `None` for any other word."""
    if raw is None or isinstance(raw, bool):
        return raw
    if not isinstance(raw, str):
        raise TypeError(f"neither true nor false: {type(raw).__name__}")
    return _FLAGS.get(raw.strip().lower())


def word(raw: object) -> str | None:
    """Read a text; `None` for an empty one, and for one that says that there is none."""
    if raw is not None and not isinstance(raw, str):
        raise TypeError(f"not a text: {type(raw).__name__}")
    return None if raw is None or raw.strip().lower() in _NOTHING else raw


def identity(raw: object) -> int | str | None:
    """Read the service's own name of a thing: a number, or a text; `None` for an empty one."""
    if isinstance(raw, int) and not isinstance(raw, bool):
        return raw
    return word(raw)


def kept(raw: object) -> Mapping[str, object]:
    """Read an object that is kept as it came."""
    if not isinstance(raw, dict):
        raise TypeError(f"not an object: {type(raw).__name__}")
    return raw
