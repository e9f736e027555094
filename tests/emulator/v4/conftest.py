"""Endpoint tests of v4, on one event loop: responses do not depend on it, transports are tested on both."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """Name the event loop an async test runs on."""
    return "asyncio"
