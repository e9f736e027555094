"""What all tests share: every async test runs on both event loops."""

from __future__ import annotations

import pytest
from hypothesis import settings

settings.register_profile("steady", deadline=None, derandomize=True)
settings.register_profile("sweep", deadline=None, max_examples=2000)
settings.load_profile("steady")

pytest_plugins = ["enlighten_async.testing.fixtures"]


@pytest.fixture(scope="module", params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Name the event loop an async test runs on; module scope, so that hypothesis may use it."""
    return str(request.param)
