"""Async Python SDK for Enphase's Enlighten Systems API: an exact answer for the fewest requests."""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from enlighten_async.errors import *  # noqa: F403 - every name is public
    from enlighten_async.models import *  # noqa: F403
    from enlighten_async.public import *  # noqa: F403
    from enlighten_async.public import __all__ as __all__
else:
    # Loaded when one is first used: the command line answers `--version` without them.

    def __getattr__(name: str) -> object:
        """Return a module of the package, or a public name."""
        if name.startswith("__") and name != "__all__":
            raise AttributeError(name)
        if find_spec(f"{__name__}.{name}"):
            return import_module(f"{__name__}.{name}")
        public = import_module(f"{__name__}.public")
        if name not in {*public.__all__, "__all__"}:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals().update({each: getattr(public, each) for each in (*public.__all__, "__all__")})
        return globals()[name]

    def __dir__() -> list[str]:
        """Return the names of the module."""
        return sorted({*globals(), *__getattr__("__all__")})
