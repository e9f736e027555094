"""An extension of griffe, which reads code for the reference: signatures of the classes that attrs makes."""

from __future__ import annotations

from typing import Any

import griffe

ANSWERS = "enlighten_async.models."
"""Where the classes are whose values users get and do not make."""

KEYWORD, POSITIONAL = griffe.ParameterKind.keyword_only, griffe.ParameterKind.positional_or_keyword


def keywords(call: object) -> dict[str, str]:
    """Return the keyword arguments of a call, as they are written."""
    given = call.arguments if isinstance(call, griffe.ExprCall) else []
    return {each.name: str(each.value) for each in given if isinstance(each, griffe.ExprKeyword)}


def default(attribute: griffe.Attribute) -> str | None:
    """Return what a field is if it is not given; `None` if it has to be."""
    value = attribute.value
    if not (isinstance(value, griffe.ExprCall) and value.canonical_path == "attrs.field"):
        return None if value is None else str(value)
    options = keywords(value)
    return options.get("default", f"{options['factory']}()" if "factory" in options else None)


class AttrsSignatures(griffe.Extension):
    """Gives each class with fields of attrs the `__init__` that attrs makes."""

    def on_class_members(self, *, cls: griffe.Class, **_: Any) -> None:
        """Add the method, unless the class is one of answers."""
        paths = {"attrs.frozen", "attrs.define"}
        made = next((each.value for each in cls.decorators if each.callable_path in paths), None)
        if made is None or "__init__" in cls.members or cls.path.startswith(ANSWERS):
            return
        every = KEYWORD if keywords(made).get("kw_only") == "True" else POSITIONAL
        fields = (each for each in cls.members.values() if isinstance(each, griffe.Attribute))
        parameters = [
            griffe.Parameter(
                field.name.lstrip("_"), annotation=field.annotation, kind=every, default=default(field)
            )
            for field in fields
            if "instance-attribute" in field.labels
            and field.annotation
            and "init" not in keywords(field.value)
        ]
        this = griffe.Parameter("self", kind=POSITIONAL)
        init = griffe.Function("__init__", parameters=griffe.Parameters(this, *parameters), parent=cls)
        cls.set_member("__init__", init)
