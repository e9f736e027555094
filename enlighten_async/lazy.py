"""Modules that are loaded when one of their names is first used (PEP 562)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec


def is_loaded(module: str) -> bool:
    """Tell whether a module is loaded, and no thread is still about it."""
    found = sys.modules.get(module)
    return found is not None and not getattr(found.__spec__, "_initializing", False)


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
        if name in homes:
            value: object = getattr(import_module(homes[name]), name)
        elif not name.startswith("__") and find_spec(f"{package}.{name}"):
            value = import_module(f"{package}.{name}")
        else:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        setattr(sys.modules[package], name, value)
        return value

    def names() -> list[str]:
        """Return the names of the package, loaded or not."""
        return sorted({*vars(sys.modules[package]), *homes})

    return load, names
