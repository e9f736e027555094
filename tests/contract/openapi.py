"""An OpenAPI file of the API, which others wrote: what it documents. It is no part of this project."""

from __future__ import annotations

import os
import re
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pytest

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
    if isinstance(less.get("example"), dict):
        less["example"] |= {name: value for name, value in examples.items() if name in less["example"]}
    return less


@cache
def operations() -> dict[str, tuple[str, dict[str, Any]]]:
    """Return path and operation by the name of our method."""
    gets = ((path, item["get"]) for path, item in document()["paths"].items())
    return {re.sub(r"(?<!^)(?=[A-Z])", "_", get["operationId"]).lower(): (path, get) for path, get in gets}


def method_of(path: str) -> str | None:
    """Return the name of the method a path belongs to; `None` if the file has no such path."""
    plain = {ours: template for ours, (template, _) in operations().items()}
    exact = (name for name, template in plain.items() if template == path)
    filled = (name for name, template in plain.items() if _pattern(template).fullmatch(path))
    return next(exact, None) or next(filled, None)


def parameters(method: str) -> set[str]:
    """Return the names of all parameters a method's query may hold."""
    shared = document()["components"]["parameters"]
    listed = operations()[method][1]["parameters"]
    whole = [shared[each["$ref"].rpartition("/")[2]] if "$ref" in each else each for each in listed]
    return {each["name"] for each in whole if each["in"] == "query"} | {"key"}


def statuses(method: str) -> list[int]:
    """Return the statuses a method's answer may have other than 200."""
    return [int(status) for status in operations()[method][1]["responses"] if status != "200"]


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{\w+\\}", r"[^/]+", re.escape(template)))
