"""Answers of `/rgm_stats` as the service may give them, and what they say."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from random import Random
from typing import Any

from attrs import Factory, frozen
from hypothesis import strategies as st

from enlighten_async.windows import Window
from enlighten_async.wire import Response

GRID = 900
START = 1_750_000_500
SYSTEM = 7
DATE = 1_750_800_000.0

Row = dict[str, Any]


def answer(body: object, status: int = 200, date: float | None = DATE) -> Response:
    """Return a reply; bytes are sent as they are."""
    return Response(status, body if isinstance(body, bytes) else json.dumps(body).encode(), date=date)


def ends(window: Window) -> range:
    """Return the ends of a window's intervals."""
    return range(window.start + GRID, window.end + 1, GRID)


def dense(window: Window, *, meters: int = 2, channels: Iterable[int] = (1, 2, 3), **meta: Any) -> Row:
    """Return an answer that has every row, as real ones do."""
    return {
        "system_id": SYSTEM,
        "total_devices": meters,
        "intervals": [{"end_at": end, "devices_reporting": meters, "wh_del": 9} for end in ends(window)],
        "meta": {"status": "normal", "last_report_at": window.end + 7, "last_energy_at": None, **meta},
        "meter_intervals": [
            {
                "meter_serial_number": f"12{n}EIM1",
                "envoy_serial_number": "12",
                "intervals": [
                    {"channel": channel, "wh_del": end % 7 + 0.1, "curr_w": -1, "end_at": end}
                    for channel in channels
                    for end in ends(window)
                ],
            }
            for n in range(meters)
        ],
    }


@frozen
class Case:
    """An answer, and what it holds.

    Attributes:
        window: what was asked for.
        body: the answer.
        site: energy and devices reporting by end.
        meters: serial number to energy and power by channel and end.
        notes: whether it has faults.
        complete: whether none of them leaves something out.
    """

    window: Window
    body: Row
    site: dict[int, tuple[Any, Any]]
    meters: dict[str, dict[tuple[int, int], tuple[Any, Any]]]
    notes: bool
    complete: bool


ENERGY = (None, 0, 250, 900, 0.0, 63.00000000000001, 21.5)
POWER = (None, 0, -1, 900, 1.5)
DEVICES = (None, 0, 1, 2)


@frozen
class Scribe:
    """Writes rows as a service may.

    Attributes:
        rng: what it leaves to chance.
        window: what was asked for.
        shuffled: whether rows come in any order.
        stale: whether one row came before, with other values.
        foreign: whether there are rows that do not belong.
        null: for each list without rows whether it was null or left out.
    """

    rng: Random
    window: Window
    shuffled: bool
    stale: bool
    foreign: bool
    null: list[bool] = Factory(list)

    def values(self, keys: Iterable[Any], density: float, other: Sequence[Any]) -> dict[Any, tuple[Any, Any]]:
        """Choose energy, and power or devices, for some of the keys."""
        return {
            key: (self.rng.choice(ENERGY), self.rng.choice(other))
            for key in keys
            if self.rng.random() < density
        }

    def row(self, **told: Any) -> Row:
        """Return a row, its fields in any order, nulls left out or not, perhaps a new field."""
        names = [name for name in told if told[name] is not None or self.rng.random() < 0.5]
        self.rng.shuffle(names)
        return {name: told[name] for name in names} | ({"new": {"a": [1]}} if self.rng.random() < 0.2 else {})

    def listed(self, name: str, rows: list[Row]) -> Row:
        """Return rows as a field; without any, it may be null or left out."""
        if self.shuffled:
            self.rng.shuffle(rows)
        if self.stale and rows:
            place = self.rng.randrange(len(rows))
            if rows[place].get("wh_del") is not None:  # it would be the only value there is
                rows.insert(self.rng.randint(0, place), {**rows[place], "wh_del": 77_777})
        if self.foreign:
            start, end = self.window.start, self.window.end
            for other in self.rng.sample((start, end + GRID, start - 1, end + 1, 0, 9_999_999_999), 3):
                rows.insert(self.rng.randint(0, len(rows)), {"channel": 1, "end_at": other, "wh_del": 88_888})
        told: Row = {name: rows} if rows else self.rng.choice([{name: []}, {name: None}, {}])
        self.null.append(told.get(name) is None)
        return told


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw an answer: rows missing, null, stale, foreign, in any order; fields left out or new."""
    window = Window(START, START + draw(st.integers(0, 12)) * GRID)
    rng, flags = Random(draw(st.integers(0, 2**32))), st.booleans()  # noqa: S311 - rows, not secrets
    scribe = Scribe(rng, window, draw(flags), draw(flags), draw(flags))
    density, by_time = draw(st.sampled_from([0.0, 0.5, 1.0])), draw(flags)
    site = scribe.values(ends(window), density, DEVICES)
    meters: dict[str, dict[tuple[int, int], tuple[Any, Any]]] = {}
    for serial in draw(st.lists(st.sampled_from(["120EIM1", "121EIM1", "00122"]), unique=True)):
        pairs = [
            (channel, end) for channel in sorted(draw(st.sets(st.integers(0, 4)))) for end in ends(window)
        ]
        pairs.sort(key=lambda pair: pair[by_time])
        meters[serial] = scribe.values(pairs, density, POWER)
    listings = [
        {
            "meter_serial_number": serial,
            **scribe.listed(
                "intervals",
                [scribe.row(channel=c, end_at=e, wh_del=wh, curr_w=w) for (c, e), (wh, w) in rows.items()],
            ),
        }
        for serial, rows in meters.items()
    ]
    rows = [scribe.row(end_at=end, wh_del=wh, devices_reporting=n) for end, (wh, n) in site.items()]
    body = {"system_id": SYSTEM, "new": None, "meter_intervals": listings, **scribe.listed("intervals", rows)}
    complete = not scribe.foreign and not any(scribe.null)
    return Case(window, body, site, meters, "77777" in json.dumps(body) or not complete, complete)
