"""Shapes as they follow from the models; `python -m tests.export.shapes` writes the module anew."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin

from attrs import fields, has, resolve_types

from enlighten_async import export, models
from enlighten_async.export.documents import DERIVED
from enlighten_async.models.convert import ToDict
from enlighten_async.models.coverage import Coverage, Gap, Reason
from enlighten_async.models.lifetime import Lifetime
from enlighten_async.models.series import Series, row_class
from enlighten_async.windows import Window

PATH = Path(export.__file__).parent / "shapes.py"

PLAIN: dict[Any, str] = {
    **dict.fromkeys((datetime.datetime, datetime.date, Reason), "str"),
    type(None): "None",
}
"""Types of plain values by those of attributes, where they differ."""

HEAD = '''"""Shapes: the types of the plain values that `to_dict()` gives, one for each class of models.

Made of the models by `python -m tests.export.shapes`. Instants and dates are texts in ISO 8601. Attributes
are described where the models have them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

from typing_extensions import TypedDict  # of Python 3.11's own, pydantic makes no schema

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from enlighten_async import models

    class PlainValues:
        """The method `to_dict()`: its result is of the shape of the model's class."""

SIGNATURES
        @overload
        def __get__(self, model: object, owner: object, /) -> Callable[[], Mapping[str, object]]: ...
        def __get__(self, model: object, owner: object, /) -> Callable[[], object]: ...
'''


def documented() -> list[type[Any]]:
    """Return the public classes that are written as plain values."""
    found = (getattr(models, name) for name in models.__all__)
    return [each for each in found if isinstance(each, type) and issubclass(each, ToDict)]


def kind_of(hint: Any, owner: type[Any]) -> str:
    """Return the type of the plain value for one of a type."""
    if isinstance(hint, UnionType):
        return " | ".join(dict.fromkeys(kind_of(each, owner) for each in get_args(hint)))
    origin, args = get_origin(hint), get_args(hint)
    if origin is Series:
        return f"list[{(args[0] if isinstance(args[0], type) else row_class(owner)).__name__}Dict]"
    if origin is tuple:
        return f"list[{kind_of(args[0], owner)}]"
    if origin is Mapping:
        return f"dict[str, {kind_of(args[1], owner)}]"
    return PLAIN.get(hint, f"{hint.__name__}Dict" if has(hint) else hint.__name__)


def attributes(model: type[Any]) -> Iterator[tuple[str, str]]:
    """Yield the names of a class's plain values, and their types."""
    if model in {Window, Gap}:
        yield from (("start_at", "str"), ("end_at", "str"), *([("reason", "str")] * (model is Gap)))
        return
    resolve_types(model)
    for each in fields(model):
        if not (issubclass(model, Lifetime) and each.name in {"missing", "notes"}):
            yield each.name.removeprefix("_"), kind_of(each.type, model)
    if model is Coverage:
        yield from (("complete", "bool"), ("got", "int"), ("expected", "int"))
    elif any(issubclass(model, kind) for kind in DERIVED):
        yield from (("dates", "list[str]"), ("coverage", "CoverageDict"))


def written() -> str:
    """Return the source of the module."""
    blocks = [HEAD.replace("SIGNATURES\n", overloads())]
    for model in (*documented(), Window):
        body = "".join(f"    {name}: {kind}\n" for name, kind in attributes(model))
        blocks.append(
            f'class {model.__name__}Dict(TypedDict):\n    """Plain values of `{model.__name__}`."""\n\n{body}'
        )
    return "\n\n".join(blocks)


def overloads() -> str:
    """Return the signatures of `to_dict()`, those of classes that inherit from others first."""
    inherited = sorted(documented(), key=lambda model: (-len(model.__mro__), model.__name__))
    return "".join(f"        @overload\n{signature(each.__name__)}" for each in inherited)


def signature(name: str) -> str:
    """Return the signature for one class, in one line if there is room, as ruff has it."""
    arguments, result = f"self, model: models.{name}, owner: object, /", f"Callable[[], {name}Dict]: ..."
    line = f"        def __get__({arguments}) -> {result}"
    if len(line) > 110:
        line = f"        def __get__(\n            {arguments}\n        ) -> {result}"
    return f"{line}\n"


if __name__ == "__main__":
    PATH.write_text(written(), encoding="utf-8")
