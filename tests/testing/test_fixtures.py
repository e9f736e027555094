"""The fixtures that users get, under anyio and under pytest-asyncio."""

from __future__ import annotations

from typing import Any

import pytest

from enlighten_async import EnlightenClient, OAuth
from enlighten_async.emulator import Emulator
from enlighten_async.testing import EmulatorTokenStore, FakeClock


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


async def test_v4_needs_no_login(enlighten_client_v4: EnlightenClient, enlighten_emulator: Emulator) -> None:
    """The account has logged in, as the demo user."""
    systems = await enlighten_client_v4.systems()
    mine = enlighten_emulator.truth.systems(enlighten_emulator.demo_user)
    assert [system.system_id for system in systems] == [system.system_id for system in mine]
    assert sum(enlighten_emulator.counts.tokens.values()) == 0


async def test_tokens_of_v4_are_renewed(
    enlighten_client_v4: EnlightenClient, enlighten_emulator: Emulator, enlighten_clock: FakeClock
) -> None:
    """When their day is over, and when the service ends them before."""
    await enlighten_client_v4.systems()
    enlighten_clock.advance(2 * 86_400)
    await enlighten_client_v4.systems()
    enlighten_emulator.expire()
    await enlighten_client_v4.systems()
    assert sum(enlighten_emulator.counts.tokens.values()) == 2


async def test_accounts_are_those_of_the_users(enlighten_clock: FakeClock) -> None:
    """Each sees its own systems; names the service does not know are the demo user's."""
    emulator = Emulator(clock=enlighten_clock, users=2)
    oauth = OAuth(
        "client",
        "secret",
        tokens=EmulatorTokenStore(emulator),
        transport=emulator.transport(),
        clock=enlighten_clock,
    )
    options: Any = {"oauth": oauth, "transport": emulator.transport(), "clock": enlighten_clock}
    async with EnlightenClient.v4("key", **options) as client:
        seen = {
            account: {system.system_id for system in await client.with_options(user_id=account).systems()}
            for account in (*emulator.users, "anna")
        }
    assert seen["anna"] == seen[emulator.demo_user]
    assert seen == {
        account: {system.system_id for system in emulator.truth.systems(user)}
        for account, user in (*zip(emulator.users, emulator.users, strict=True), ("anna", emulator.demo_user))
    }
    assert len({frozenset(ids) for ids in seen.values()}) == 2
