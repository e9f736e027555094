"""An OpenAPI file of the API, which others wrote: what it documents. It is no part of this project."""

from __future__ import annotations

import os
import re
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

FILE = os.environ.get("OPENAPI", "")
"""The file's path, as the sessions of nox that need it pass it on."""


def need(*variables: str) -> None:
    """Skip the module that calls this unless these variables of the environment are set."""
    if not all(os.environ.get(name) for name in variables):
        pytest.skip("needs a file of its own: `nox -s prism schemathesis -- FILE`", allow_module_level=True)


def need_version(wanted: str) -> None:
    """Skip the module that calls this unless the file is of this version of the API."""
    version = "v4" if any("/v4/" in path for path in document()["paths"]) else "v2"
    if version != wanted:
        pytest.skip(f"the file is of {version} of the API", allow_module_level=True)


@cache
def document() -> dict[str, Any]:
    """Return what the file holds."""
    import yaml  # noqa: PLC0415 - installed for these sessions alone

    content: dict[str, Any] = _plain(yaml.safe_load(Path(FILE).read_text(encoding="utf-8")))
    return content


def _plain(node: Any) -> Any:
    """Return the same with dates as text: in JSON there are no others."""
    if isinstance(node, dict):
        return {name: _plain(value) for name, value in node.items()}
    if isinstance(node, list):
        return [_plain(item) for item in node]
    return node.isoformat() if isinstance(node, date) else node


def narrowed(node: Any, names: dict[str, dict[str, Any]], examples: dict[str, Any]) -> Any:
    """Return a part of the file with less room in it.

    Args:
        node: the part.
        names: what is added to the schemas of properties of these names.
        examples: what takes the place of values by these names in examples.
    """
    if isinstance(node, list):
        return [narrowed(item, names, examples) for item in node]
    if not isinstance(node, dict):
        return node
    less = {key: narrowed(value, names, examples) for key, value in node.items()}
    if isinstance(less.get("properties"), dict):
        less["properties"] = {name: each | names.get(name, {}) for name, each in less["properties"].items()}
    for key in ("example", "value"):  # the latter is one of several `examples`
        if isinstance(less.get(key), dict):
            less[key] |= {name: value for name, value in examples.items() if name in less[key]}
    return less


@frozen
class Operation:
    """What the file tells of one operation.

    Attributes:
        path: its template.
        verb: such as "GET".
        content: the rest of it.
    """

    path: str
    verb: str
    content: dict[str, Any]


@cache
def operations() -> dict[str, Operation]:
    """Return what is read, by its name: for v2 that of our method."""
    found = (
        Operation(path, verb.upper(), item[verb])
        for path, item in document()["paths"].items()
        for verb in ("get", "post")
        if verb in item
    )
    return {_snake_case(each.content["operationId"]): each for each in found}


def _snake_case(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def operation_of(verb: str, path: str) -> str | None:
    """Return the name of the operation a request is for; `None` if the file has no such path."""
    known = {name: each for name, each in operations().items() if each.verb == verb}
    exact = (name for name, each in known.items() if each.path == path)
    filled = (name for name, each in known.items() if _pattern(each.path).fullmatch(path))
    return next(exact, None) or next(filled, None)


def parameters(name: str) -> set[str]:
    """Return the names of all parameters an operation's query may hold, and of keys that go there."""
    components = document()["components"]
    listed = operations()[name].content.get("parameters", [])
    whole = [
        components["parameters"][each["$ref"].rpartition("/")[2]] if "$ref" in each else each
        for each in listed
    ]
    keys = [each for each in components["securitySchemes"].values() if each["type"] == "apiKey"]
    return {each["name"] for each in (*whole, *keys) if each["in"] == "query"}


def statuses(name: str) -> list[int]:
    """Return the statuses an operation's answer may have other than 200."""
    return [int(status) for status in operations()[name].content["responses"] if status != "200"]


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{\w+\\}", r"[^/]+", re.escape(template)))
