"""What the tests of the session share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.system.keep import Keep
from tests.world import World


@pytest.fixture
def world() -> World:
    """A service without limits, and clients of it."""
    return World()


@pytest.fixture(params=["memory", "file"])
def keep(request: pytest.FixtureRequest, tmp_path: Path) -> Keep:
    """Where clients keep what they bought."""
    return Keep(tmp_path / "state.db" if request.param == "file" else None)
