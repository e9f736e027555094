"""Fixtures of all tests: every async test runs on both event loops."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
from hypothesis import settings

from tests.cache_setup import CacheSetup
from tests.effort import examples
from tests.world import World

settings.register_profile("effort", examples(100))
settings.load_profile("effort")

pytest_plugins = ["enlighten_async.testing.fixtures"]


@pytest.fixture(scope="module", params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Name the event loop an async test runs on; module scope, so that hypothesis may use it."""
    return str(request.param)


@pytest.fixture
def collected() -> None:
    """Let go of what other tests have left, before a test that looks for what its own code leaves behind."""
    gc.collect()


@pytest.fixture
def world() -> World:
    """A service without limits, and clients of it."""
    return World()


@pytest.fixture(params=["memory", "file"])
def cache_setup(request: pytest.FixtureRequest, tmp_path: Path) -> CacheSetup:
    """The cache of clients: in memory, or in a file that each process opens for itself."""
    return CacheSetup(tmp_path / "state.db" if request.param == "file" else None)
