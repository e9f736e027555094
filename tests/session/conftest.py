"""What the tests of the session share."""

from __future__ import annotations

import pytest

from tests.world import World


@pytest.fixture
def world() -> World:
    """A service without limits, and clients of it."""
    return World()
