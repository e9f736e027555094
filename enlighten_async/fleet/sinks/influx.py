"""InfluxSink: the rows of a fleet in a file of InfluxDB's line protocol."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from enlighten_async.export.columns import values_of
from enlighten_async.fleet.change import Change
from enlighten_async.fleet.sinks.base import KEY, by_series
from enlighten_async.fleet.sinks.jsonlines import Key, LinesSink
from enlighten_async.windows import DAY


class InfluxSink(LinesSink):
    r"""Rows in a file of InfluxDB's line protocol, with seconds as timestamps.

    The measurement is the series; `system_id`, and of a meter's rows also `meter` and `channel`, are tags;
    the figures are fields, and end of the interval is the time:
    `rgm_stats,system_id=67 devices_reporting=2i,wh_del=12.0 1750032900`. A figure that is null is left out,
    and a row without any has no line: the protocol has no null. A row that was corrected is written again;
    InfluxDB takes the later one. `FILE.cursors` beside it is as that of `JsonLinesSink`.

    Args:
        path: the file; it is made where it is missing.

    Raises:
        InputError: the path is that of a device or the like, or of another user's file, or every user may put
            a link where one is on the way.
    """

    @staticmethod
    def _key(line: bytes) -> Key | None:
        try:
            tags, _, end = line.rsplit(b" ", 2)
            return Key((tags, int(end) // DAY), end)
        except ValueError:
            return None

    def _lines(self, change: Change) -> Iterable[bytes]:
        for each in by_series([change]):
            names = [field.name for field in each.table.fields]
            for batch in each.table.batches:
                pairs = zip(each.table.fields, batch.columns, strict=True)
                columns = [values_of(field.type, column) for field, column in pairs]
                for values in zip(*columns, strict=True):
                    yield from _line(each.series, dict(zip(names, values, strict=True)))


def _line(series: str, row: dict[str, Any]) -> Iterable[bytes]:
    """Yield the line of a row, unless all of its figures are null."""
    system_id, meter, channel, end = (row.pop(name) for name in KEY)
    figures = [
        f"{name}={value}{'i' if isinstance(value, int) else ''}"
        for name, value in row.items()
        if value is not None
    ]
    if figures:
        of_meter = f",meter={_escaped(meter)},channel={channel}" if meter else ""
        tags = f"{series},system_id={system_id}{of_meter}"
        yield f"{tags} {','.join(figures)} {int(end.timestamp())}\n".encode()


def _escaped(tag: str) -> str:
    """Return the value of a tag, with what would end it escaped."""
    text = " ".join(tag.split())
    for mark in ("\\", ",", "=", " "):
        text = text.replace(mark, f"\\{mark}")
    return text
