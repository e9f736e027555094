"""The series that only v4 has, and answers of them as the service may give them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Literal
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

from attrs import field, frozen

from enlighten_async.api.series import SeriesEndpoint, SeriesRequests
from enlighten_async.api.v4 import ApiV4, series
from enlighten_async.api.v4.errors import error_for
from enlighten_async.models import Receipt
from enlighten_async.models.intervals import SeriesResult
from enlighten_async.windows import DAY, Window
from enlighten_async.wire import Request, Response
from tests.api.laid_out import LaidOut, laid_out
from tests.api.service_errors import error_of
from tests.api.v2.answers import DATE, SYSTEM, answer

Row = dict[str, Any]
SERIAL = "12 3/#?".replace("/", "")
NOW = DATE
SPANS = {"15mins": 900, "day": DAY, "week": 7 * DAY}


@frozen
class Sample:
    """One series, and how its answers look.

    Attributes:
        name: the API's name of it.
        path: where it is, below the system.
        figures: the names of its columns but for `end_at`.
        row: makes a row of its end and its figures.
        args: what is given beside the system and the range.
        rows_in: the name of the rows in an answer.
        told: what the answer says beside.
        grid: seconds of an interval.
    """

    name: str
    path: str
    figures: tuple[str, ...]
    row: Callable[..., Row]
    args: tuple[str, ...] = ()
    rows_in: str = "intervals"
    told: Row = field(factory=dict)
    grid: int = 900

    @property
    def kind(self) -> SeriesEndpoint[Any]:
        """The row of the API's table."""
        kind: SeriesEndpoint[Any] | series.DeviceSeriesEndpoint[Any] = getattr(series, self.name.upper())
        return kind if isinstance(kind, SeriesEndpoint) else kind.of(*self.args)

    def ask(self, zone: str | None = None) -> SeriesRequests[Any]:
        """Return what asks for the system."""
        return self.kind.requests_class(self.kind, SYSTEM, {} if zone is None else {SYSTEM: zone})

    def outlined(self, zone: str | None = "Europe/Berlin", now: float = NOW, **range_: Any) -> LaidOut:
        """Return what a call comes to; the time zone is that of the system, where known."""
        api = ApiV4(time_zones={} if zone is None else {SYSTEM: zone})
        plan = getattr(api, self.name)(SYSTEM, *self.args, **range_)
        return laid_out(plan, now, ZoneInfo(zone) if zone and plan.zone_of else None)

    def ends(self, window: Window) -> range:
        """Return the ends of a window's intervals."""
        return range(window.start + self.grid, window.end + 1, self.grid)

    def values(self, end: int) -> tuple[int, ...]:
        """Return the figures of an interval, which tell it apart from others."""
        return tuple(end // 300 % 1009 + place for place in range(len(self.figures)))

    def listed(self, ends: Iterable[int]) -> list[Row]:
        """Return the rows that end then."""
        return [self.row(end, *self.values(end)) for end in ends]

    def body(self, ends: Iterable[int], **more: Any) -> Row:
        """Return an answer with these rows."""
        return {"system_id": SYSTEM, self.rows_in: self.listed(ends), **self.told, **more}

    def truth(self, ends: Iterable[int]) -> list[tuple[int, ...]]:
        """Return what the rows of `body` are."""
        return [(end, *self.values(end)) for end in ends]

    def rows(self, stats: Any) -> list[tuple[float, ...]]:
        """Return the rows of an answer as plain numbers."""
        columns = stats.intervals.columns
        assert list(columns) == ["end_at", *self.figures]
        return list(zip(*columns.values(), strict=True))

    def reasons(self, stats: SeriesResult) -> dict[int, str]:
        """Return why each missing interval is missing."""
        return {end: gap.reason.value for gap in stats.coverage.gaps() for end in self.ends(gap.window)}


def _battery(end: int, charge: Any, discharge: Any, soc: Any, *reporting: Any) -> Row:
    figures = {"charge": {"enwh": charge}, "discharge": {"enwh": discharge}, "soc": {"percent": soc}}
    counts = dict(zip(figures, reporting, strict=False))
    return {"end_at": end} | {
        name: figure | ({"devices_reporting": counts[name]} if counts else {})
        for name, figure in figures.items()
    }


STORED = ("charge", "discharge", "soc")
BATTERIES = (*STORED, *(f"{name}_devices_reporting" for name in STORED))

SAMPLES = (
    Sample(
        "production_meter",
        "telemetry/production_meter",
        ("devices_reporting", "wh_del"),
        lambda end, a, b: {"end_at": end, "devices_reporting": a, "wh_del": b},
        told={"total_devices": 2},
    ),
    Sample("battery", "telemetry/battery", BATTERIES, _battery, told={"total_devices": 2}),
    Sample(
        "energy_import_telemetry",
        "energy_import_telemetry",
        ("wh_imported",),
        lambda end, wh: {"end_at": end, "wh_imported": wh},
        told={"total_devices": 0, "meta": {"status": "normal", "last_report_at": NOW}},
    ),
    Sample(
        "energy_export_telemetry",
        "energy_export_telemetry",
        ("wh_exported",),
        lambda end, wh: {"end_at": end, "wh_exported": wh},
        told={"total_devices": 0, "meta": {"status": "normal", "last_report_at": NOW}},
    ),
    Sample(
        "micro_telemetry",
        "devices/micros/12%203%23%3F/telemetry",
        ("powr", "enwh"),
        lambda end, powr, enwh: {"end_at": end, "powr": powr, "enwh": enwh},
        (SERIAL,),
        told={"total_devices": 1, "serial_number": "12 3#?"},
        grid=300,
    ),
    Sample(
        "encharge_telemetry",
        "devices/encharges/12%203%23%3F/telemetry",
        STORED,
        _battery,
        (SERIAL,),
        told={"total_devices": 1},
    ),
    Sample("acb_telemetry", "devices/acbs/12%203%23%3F/telemetry", STORED, _battery, (SERIAL,)),
    Sample(
        "evse_telemetry",
        "12%203%23%3F/evse_telemetry",
        ("wh_consumed",),
        lambda end, wh: {"end_at": end, "wh_consumed": wh},
        (SERIAL,),
        told={"interval_duration": "15mins"},
    ),
    Sample(
        "hp_telemetry",
        "hp_telemetry",
        ("wh_consumed",),
        lambda end, wh: {"end_at": end, "wh_consumed": wh},
        told={"interval_duration": "5mins"},
        grid=300,
    ),
    Sample(
        "ev_charger_telemetry",
        "ev_charger/12%203%23%3F/telemetry",
        ("consumption",),
        lambda end, wh: {"consumption": wh, "end_at": end},
        (SERIAL,),
        "consumption",
    ),
)

NESTED = tuple(sample for sample in SAMPLES if sample.name.startswith("energy_"))


def part_of(request: Request[Any], response: Response) -> Any:
    """Return what an answer is to its request: a part, or `None` for a refusal that stays one."""
    failure = error_of(response, error_for, request.endpoint)
    return request.decode(response) if failure is None else request.empty_answer_for(failure)


def run(laid: LaidOut, server: Callable[[Request[Any]], Response]) -> tuple[Any, list[Request[Any]]]:
    """Drive all flows one after another; return the answer, and what was asked."""
    parts, asked = [], []
    for segment in laid.ordered:
        request = next(segment.requests, None)
        while request is not None:
            asked.append(request)
            parts.append(part_of(request, server(request)))
            assert parts[-1] is not None
            try:
                request = segment.requests.send(parts[-1])
            except StopIteration:
                request = None
    return laid.merge(parts, [], Receipt(sent=len(asked))), asked


def nested_by_day(rows: list[Row], zone: str) -> list[list[Row]]:
    """Return rows in a list for each local day."""
    days: dict[object, list[Row]] = {}
    for row in rows:
        days.setdefault(datetime.fromtimestamp(row["end_at"] - 1, ZoneInfo(zone)).date(), []).append(row)
    return list(days.values())


@frozen
class Service:
    """A service that has a row for every interval since some time, and answers with lengths of its own.

    Attributes:
        sample: the series.
        begun: where its data begins (epoch seconds): earlier starts are moved there.
        cap: seconds after which an answer ends, whatever was asked.
        echo: what it says of its range: where it ends, where it would end if it were whole, or nothing.
        nested: whether rows come in a list for each local day.
    """

    sample: Sample
    begun: int = 0
    cap: int = 7 * DAY
    echo: Literal["told", "claimed", "silent"] = "told"
    nested: bool = False

    def __call__(self, request: Request[Any]) -> Response:
        """Answer a request as its parameters say."""
        params = dict(request.params)
        start = max(int(params["start_at"]), self.begun)
        whole = min(start + SPANS[params["granularity"]], int(NOW))
        end = min(whole, start + self.cap)
        begin = start // self.sample.grid * self.sample.grid
        body = self.sample.body(self.sample.ends(Window(begin, end // 300 * 300)))
        if self.nested:
            body["intervals"] = nested_by_day(body["intervals"], "Europe/Berlin")
        shown = {"told": end, "claimed": whole}.get(self.echo)
        return answer(body if shown is None else {**body, "start_at": start, "end_at": shown})


def query_of(url: str) -> dict[str, str]:
    """Return the parameters of a URL."""
    return dict(parse_qsl(url.partition("?")[2]))
