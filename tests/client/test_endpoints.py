"""Methods of the client: arguments are checked at the call."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
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
        lambda c: c.energy_lifetime(1765, production=[]),
        lambda c: c.energy_lifetime(1765, production="some"),
        *(
            partial(call, text=text)
            for call in (
                lambda c, text: c.search_system_id(text),
                lambda c, text: c.systems(system_name=text),
                lambda c, text: c.systems(reference=["right", text]),
                lambda c, text: c.systems(status=text),
                lambda c, text: c.systems(system_id=text),
            )
            for text in ("", " ", "\ud800", "x" * 2000, b"x", 1.5)
        ),
    ],
)
def test_bad_input_is_refused_at_the_call(world: World, call: Any) -> None:
    """Nothing is sent, nothing has to be awaited, and the text says what to do, in a line."""
    for client in (world.client(), world.v4()):
        with pytest.raises(InputError, match=r"must|swap|give|use") as caught:
            call(client)
        assert len(str(caught.value)) < 250
    assert world.emulator.counts.sent == 0
