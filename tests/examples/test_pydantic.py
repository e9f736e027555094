"""Answers in FastAPI and pydantic: returned as they are, and described in OpenAPI."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from enlighten_async import models
from tests.export.answers import answer, kinds

pytestmark = pytest.mark.backends
pytest.importorskip("fastapi")

from fastapi import FastAPI  # noqa: E402
from pydantic import TypeAdapter, ValidationError  # noqa: E402


@pytest.fixture
def anyio_backend() -> str:
    """FastAPI runs on asyncio."""
    return "asyncio"


@pytest.mark.parametrize("kind", list(kinds()), ids=lambda kind: kind.__name__)
async def test_an_answer_is_returned_as_it_is(kind: type[Any]) -> None:
    """By itself and in a list; the body is its plain values, and OpenAPI has their shape."""
    app, result = FastAPI(), answer(kind)

    async def one() -> Any:
        return result

    async def several() -> Any:
        return [result]

    app.add_api_route("/one", one, response_model=kind)
    app.add_api_route("/several", several, response_model=list[kind])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app.test") as browser:
        assert (await browser.get("/one")).json() == result.to_dict()
        assert (await browser.get("/several")).json() == [result.to_dict()]
        described = (await browser.get("/openapi.json")).json()
    content = described["paths"]["/one"]["get"]["responses"]["200"]["content"]["application/json"]
    name = f"{kind.__name__}Dict"
    assert content["schema"] == {"$ref": f"#/components/schemas/{name}"}
    assert {*described["components"]["schemas"][name]["required"]} == {*result.to_dict()}


@pytest.mark.parametrize("kind", list(kinds()), ids=lambda kind: kind.__name__)
def test_an_answer_is_read(kind: type[Any]) -> None:
    """As it is, of plain values, or of JSON."""
    adapter, result = TypeAdapter(kind), answer(kind)
    assert adapter.validate_python(result) is result
    assert adapter.validate_python(result.to_dict()) == result
    assert adapter.validate_json(result.to_json()) == result
    assert json.loads(adapter.dump_json(result)) == result.to_dict()


def test_other_values_are_refused() -> None:
    """By pydantic's own error, with the place."""
    wrong = {**answer(models.RgmStats).to_dict(), "system_id": "x"}
    with pytest.raises(ValidationError, match="system_id"):
        TypeAdapter(models.RgmStats).validate_python(wrong)
    late = {**answer(models.RgmStats).to_dict(), "window": {"start_at": "soon", "end_at": "later"}}
    with pytest.raises(ValidationError, match="window"):
        TypeAdapter(models.RgmStats).validate_python(late)
