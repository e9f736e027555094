"""The fixtures that users get, under anyio and under pytest-asyncio."""

from __future__ import annotations

import pytest

from enlighten_async import EnlightenClient
from enlighten_async.emulator import Emulator
from enlighten_async.testing import FakeClock


async def test_a_year_of_waiting_takes_no_time(
    enlighten_client: EnlightenClient, enlighten_emulator: Emulator, enlighten_clock: FakeClock
) -> None:
    """Client, service and clock belong together: five minutes pass, none of them for real."""
    began = enlighten_clock.monotonic()
    year = await enlighten_client.rgm_stats(
        enlighten_emulator.demo_system, start_at=enlighten_clock.now() - 365 * 86_400
    )
    assert (year.receipt.sent, enlighten_emulator.counts.sent, enlighten_emulator.counts.rejected) == (
        53,
        53,
        0,
    )
    assert enlighten_clock.monotonic() - began >= 240


@pytest.mark.asyncio
async def test_pytest_asyncio_takes_them_too(enlighten_client: EnlightenClient) -> None:
    """They are plain fixtures, so that no plugin owns them."""
    async with enlighten_client as client:
        assert (await client.systems()).complete
