"""Tools that hook into httpx: what each of them sees of a client, as the page on observability says.

They are installed by `nox -s tools`; elsewhere these tests are skipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from enlighten_async import EnlightenClient
from enlighten_async.emulator import Emulator, Quota

KEY = "k3y-CANARY-0123456789"
BODY = {"system_id": 1765, "current_power": 4200}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """Run on asyncio: these tools know nothing else."""
    return "asyncio"


@pytest.fixture
def service() -> Iterator[tuple[Emulator, str]]:
    """An emulator on a socket, and its address."""
    emulator = Emulator(quota=Quota.UNLIMITED)
    with emulator.running() as url:
        yield emulator, url


def client(emulator: Emulator, url: str, **options: Any) -> EnlightenClient:
    """Open a client of the emulator's demo user."""
    return EnlightenClient(KEY, emulator.demo_user, base_url=url, **options)


@pytest.fixture(params=["own", "httpx"])
def connection(request: pytest.FixtureRequest) -> str:
    """Name what the requests go through: the client's own connections, or a transport of httpx."""
    return str(request.param)


def options(connection: str) -> dict[str, Any]:
    """Return the client's options for these connections."""
    return {"transport": httpx.AsyncHTTPTransport()} if connection == "httpx" else {}


def files(folder: Path) -> dict[str, str]:
    """Return the texts of the files in a folder, by their names."""
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


async def test_vcrpy(service: tuple[Emulator, str], connection: str, tmp_path: Path) -> None:
    """Nothing is recorded of our own connections; of httpx's all of it, without what is filtered."""
    vcr = pytest.importorskip("vcr")
    emulator, url = service
    filters = {"filter_query_parameters": ["key", "user_id"], "filter_headers": ["authorization", "key"]}
    for name, given in (("plain.yaml", {}), ("filtered.yaml", filters)):
        with vcr.use_cassette(str(tmp_path / name), **given) as cassette:
            async with client(emulator, url, **options(connection)) as asking:
                await asking.systems()
        assert len(cassette) == (connection == "httpx")
    written = files(tmp_path)
    assert {name: KEY in text for name, text in written.items()} == (
        {"plain.yaml": True, "filtered.yaml": False} if connection == "httpx" else {}
    )
    assert not any(emulator.demo_user in text for name, text in written.items() if name == "filtered.yaml")


async def test_opentelemetry_instrumentation_of_httpx(service: tuple[Emulator, str], connection: str) -> None:
    """No span of our own connections; of httpx's one with the key in its URL."""
    httpx_spans = pytest.importorskip("opentelemetry.instrumentation.httpx")
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - with the instrumentation
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: PLC0415
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter  # noqa: PLC0415

    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentor = httpx_spans.HTTPXClientInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    try:
        async with client(*service, **options(connection)) as asking:
            await asking.systems()
    finally:
        instrumentor.uninstrument()
    told = [span.to_json() for span in exporter.get_finished_spans()]
    assert [KEY in text for text in told] == ([True] if connection == "httpx" else [])


async def test_pytest_httpx(request: pytest.FixtureRequest, connection: str) -> None:
    """It sees what httpx's own transport sends, key included; our connections are refused by the plugin."""
    pytest.importorskip("pytest_httpx")
    mock = request.getfixturevalue("httpx_mock")
    mock.add_response(json=BODY, is_optional=True)
    async with EnlightenClient(KEY, "user", **options(connection)) as asking:
        if connection == "own":
            with pytest.raises(AssertionError, match="would have sent a request to api.enphaseenergy.com"):
                await asking.summary(1765)
        else:
            assert (await asking.summary(1765)).current_power == 4200
    assert [KEY in str(sent.url) for sent in mock.get_requests()] == ([True] if connection == "httpx" else [])
