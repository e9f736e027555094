"""What all tests share: every async test runs on both event loops."""

from __future__ import annotations

import pytest
from hypothesis import settings

from tests.effort import examples

settings.register_profile("effort", examples(100))
settings.load_profile("effort")

pytest_plugins = ["enlighten_async.testing.fixtures"]


@pytest.fixture(scope="module", params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Name the event loop an async test runs on; module scope, so that hypothesis may use it."""
    return str(request.param)
