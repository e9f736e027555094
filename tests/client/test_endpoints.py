"""Methods of the client: arguments are checked at the call."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from enlighten_async import (
    InputError,
)
from tests.world import World


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.rgm_stats("abc"),
        lambda c: c.rgm_stats(0),
        lambda c: c.rgm_stats(True),
        lambda c: c.rgm_stats("１２"),
        lambda c: c.summary(-5),
        lambda c: c.summary(1765, summary_date=datetime(2025, 1, 1, tzinfo=UTC)),
        lambda c: c.rgm_stats(1765, start_at=datetime(2025, 1, 1)),  # noqa: DTZ001
        lambda c: c.rgm_stats(1765, start_at=2000, end_at=1000),
        lambda c: c.rgm_stats(1765, end_at=1000),
        lambda c: c.rgm_stats(1765, start_date=datetime(2025, 1, 1, tzinfo=UTC)),
    ],
)
def test_bad_input_is_refused_at_the_call(world: World, call: Any) -> None:
    """Nothing is sent, nothing has to be awaited, and the text says what to do."""
    with pytest.raises(InputError, match=r"must|swap|give|use"):
        call(world.client())
    assert world.emulator.counts.sent == 0
