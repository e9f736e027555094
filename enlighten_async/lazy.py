"""Modules that are loaded when one of their names is first used (PEP 562)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from importlib import import_module
from importlib.util import find_spec


class NotLoadedError(Exception):
    """A module is not loaded, and must not be loaded here: modules are files."""


_may_load: ContextVar[bool] = ContextVar("enlighten_async.may_load", default=True)


def is_loaded(get: Callable[[], object]) -> bool:
    """Tell whether the modules are loaded whose names a function uses, as far as they are lazy."""
    before = _may_load.set(False)
    try:
        get()
    except NotLoadedError:
        return False
    finally:
        _may_load.reset(before)
    return True


class LazyModule:
    """A module that is loaded when one of its names is first used.

    For type checkers the name of this object is an import of the module.

    Args:
        name: full name of the module.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> object:
        if not _may_load.get():
            found = sys.modules.get(self._name)
            if found is None or getattr(found.__spec__, "_initializing", False):
                raise NotLoadedError(self._name)
        value: object = getattr(import_module(self._name), name)
        vars(self)[name] = value
        return value


def lazy_names(
    package: str, modules: Mapping[str, str]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return the `__getattr__` and `__dir__` of a package that loads its modules when they are needed.

    The package imports the same names `if TYPE_CHECKING`, as type checkers, editors and packagers read it.

    Args:
        package: full name of the package.
        modules: names, separated by spaces, by the module of the package that they are imported from.
    """
    homes = {name: f"{package}.{module}" for module, words in modules.items() for name in words.split()}

    def load(name: str) -> object:
        """Return one of the names, or a module of the package."""
        if not _may_load.get():
            raise NotLoadedError(name)
        if name in homes:
            value: object = getattr(import_module(homes[name]), name)
        elif not name.startswith("__") and "." not in name and find_spec(f"{package}.{name}"):
            value = import_module(f"{package}.{name}")
        else:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        setattr(sys.modules[package], name, value)
        return value

    def names() -> list[str]:
        """Return the names of the package, loaded or not."""
        return sorted({*vars(sys.modules[package]), *homes})

    return load, names
