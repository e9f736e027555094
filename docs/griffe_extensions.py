"""Extensions of griffe, which reads code for the reference: signatures and fields of attrs, links."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import indent
from typing import Any

import griffe

ANSWERS = "enlighten_async.models."
"""Where the classes are whose values users get and do not make."""

EMULATOR = "enlighten_async.emulator"

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


def hanging(text: str) -> str:
    """Indent all lines of a text but the first."""
    first, _, rest = text.partition("\n")
    return f"{first}\n{indent(rest, ' ' * 4)}" if rest else first


class LazyNames(griffe.Extension):
    """Takes names that a package imports for type checkers for its own: it loads them when they are used."""

    def on_alias_instance(self, *, alias: griffe.Alias, **_: Any) -> None:
        """Have `import *` import it too."""
        alias.runtime = True


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


class Fields(griffe.Extension):
    """Shows the fields of a class as one list with a line for each, not as an entry for each."""

    def on_class_members(self, *, cls: griffe.Class, **_: Any) -> None:
        """Move the docstrings of the fields into that of the class, as its section `Attributes`."""
        fields = [
            each
            for each in cls.members.values()
            if isinstance(each, griffe.Attribute) and "instance-attribute" in each.labels and each.docstring
        ]
        if cls.docstring is None or "\nAttributes:\n" in cls.docstring.value or not fields:
            return
        lines = (f"{each.name}: {each.docstring.value}" for each in fields if each.docstring)
        cls.docstring.value += "\n\nAttributes:\n" + indent("\n".join(map(hanging, lines)), " " * 4)
        for each in fields:
            each.docstring = None


class Links(griffe.Extension):
    """Makes each name in a docstring that has an entry, such as `Query` or `Plan.WATT`, a link to that entry.

    The emulator's docstrings and names stay text: some of them are also names of answers.
    """

    def __init__(self) -> None:
        texts = [page.read_text(encoding="utf-8") for page in Path("pages", "docs", "reference").glob("*.md")]
        paths = [path for text in texts for path in re.findall(r"^::: ([\w.]+)$", text, re.MULTILINE)]
        self._paths = {path.rpartition(".")[2]: path for path in paths if not path.startswith(EMULATOR)}
        self._name = re.compile(rf"(?<!\[)`({'|'.join(self._paths)})(\.\w+)?(\(.*?\))?`")

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring of a module, class, function or attribute."""
        if obj.docstring and not obj.path.startswith(EMULATOR):
            obj.docstring.value = self._name.sub(self._link, obj.docstring.value)

    def _link(self, found: re.Match[str]) -> str:
        return f"[{found[0]}][{self._paths[found[1]]}]"
