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


BOTH = ("rgm_stats", "stats", "consumption_stats")
DAILY = ("energy_lifetime", "consumption_lifetime")
SERIES_V4 = (
    "production_meter",
    "battery",
    "energy_import_telemetry",
    "energy_export_telemetry",
    "hp_telemetry",
)
DEVICES_V4 = (
    "micro_telemetry",
    "encharge_telemetry",
    "acb_telemetry",
    "evse_telemetry",
    "ev_charger_telemetry",
)
DAILY_V4 = ("battery_lifetime", "energy_import_lifetime", "energy_export_lifetime", "hp_lifetime")


@pytest.mark.parametrize(
    ("name", "args"),
    [
        *((name, ()) for name in (*BOTH, *DAILY, *SERIES_V4, *DAILY_V4, "micros_telemetry")),
        *((name, ("1",)) for name in (*DEVICES_V4, "evse_lifetime")),
    ],
)
@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("start_dat", "did you mean 'start_date'?"),
        ("enddate", "did you mean 'end_date'?"),
        ("zone", "it takes end_"),
    ],
)
def test_a_misspelt_keyword_is_told_with_the_method_and_the_right_one(
    world: World, name: str, args: tuple[str, ...], wrong: str, hint: str
) -> None:
    """As Python says it of any other function, and what was meant."""
    clients = [world.v4()] + ([world.client()] if name in {*BOTH, *DAILY} else [])
    for client in clients:
        with pytest.raises(TypeError) as caught:
            getattr(client, name)(7, *args, **{wrong: 5})
        text = f"{name}() got an unexpected keyword argument {wrong!r}: {hint}"
        assert str(caught.value).startswith(text)
    assert world.emulator.counts.sent == 0


def test_misspelt_options_are_told_with_the_right_one(world: World) -> None:
    """Of a client, and of a view of one."""
    with pytest.raises(TypeError, match=r"with_options\(\) got .* 'max_wiat': did you mean 'max_wait'\?"):
        world.client().with_options(max_wiat=5)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"EnlightenClient\(\) got .* 'time_out': did you mean 'timeout'\?"):
        world.client(time_out=5)
