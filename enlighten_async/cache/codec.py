"""Encoding of parts as blobs: columns as bytes in a compressed MessagePack map, all but the receipt.

Of each column the first bytes of all numbers come first, then their second bytes, and so on: numbers of one
column differ in few of them, which halves the size. A blob begins with the number of its format. A new
format comes with a migration of the state file, so that an older version never meets it.
"""

from __future__ import annotations

import sys
import zlib
from array import array
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

import msgspec
from cattrs import Converter
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from enlighten_async import models
from enlighten_async.models.coverage import Coverage
from enlighten_async.models.intervals import SeriesResult
from enlighten_async.models.series import Series

P = TypeVar("P", bound=SeriesResult)

BLOB_FORMAT: Final = b"\x01"
"""First byte of a blob."""

COMPRESSION_LEVEL: Final = 1
"""Level of zlib: a higher one makes blobs a tenth smaller, and takes three times as long."""

MODELS: Final[dict[str, type[SeriesResult]]] = {
    model.__name__: model
    for model in (
        models.Battery,
        models.ConsumptionStats,
        models.EnergyExportTelemetry,
        models.EnergyImportTelemetry,
        models.EvChargerTelemetry,
        models.EvseTelemetry,
        models.HpTelemetry,
        models.MicroTelemetry,
        models.ProductionMeter,
        models.RgmStats,
        models.Stats,
        models.StorageTelemetry,
    )
}
"""The types of part that are cached, by name."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TICK: Final = timedelta(microseconds=1)
_BIG_ENDIAN: Final = sys.byteorder == "big"

_ERRORS: Final = (
    zlib.error,
    msgspec.MsgspecError,
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)


class Unreadable(Exception):
    """A blob has another format or type, or is damaged."""


def encode(part: SeriesResult) -> bytes:
    """Return a part as a blob."""
    content = {"model": type(part).__name__, "part": _converter.unstructure(part)}
    return BLOB_FORMAT + zlib.compress(msgspec.msgpack.encode(content), COMPRESSION_LEVEL)


def decode(blob: object, model: type[P]) -> P:
    """Return the part of a blob.

    Raises:
        Unreadable: it has another format or type, or is damaged.
    """
    part = decode_any(blob)
    if type(part) is not model:
        raise Unreadable(f"holds {type(part).__name__}, not {model.__name__}")
    return part


def decode_any(blob: object) -> SeriesResult:
    """Return the part of a blob, of any type.

    Raises:
        Unreadable: it has another format, or is damaged.
    """
    if not isinstance(blob, bytes) or blob[:1] != BLOB_FORMAT:
        raise Unreadable("has another format")
    try:
        content = msgspec.msgpack.decode(zlib.decompress(memoryview(blob)[1:]))
        return _converter.structure(content["part"], MODELS[content["model"]])
    except _ERRORS as error:
        raise Unreadable(f"is damaged: {error}") from None


def _column(name: str, view: memoryview) -> tuple[str, str, bytes]:
    """Return a column as its name, the type code of its numbers, and their bytes, position by position."""
    raw, size = _little_endian(array(view.format, view)).tobytes(), view.itemsize
    return name, view.format, b"".join(raw[place::size] for place in range(size))


def _numbers(code: str, planes: bytes) -> array[Any]:
    """Return the numbers of a column."""
    numbers: array[Any] = array(code)
    size, raw = numbers.itemsize, bytearray(len(planes))
    count = len(planes) // size
    for place in range(size):
        raw[place::size] = planes[place * count : (place + 1) * count]
    numbers.frombytes(raw)
    return _little_endian(numbers)


def _little_endian(numbers: array[Any]) -> array[Any]:
    """Convert numbers from the byte order of this machine to little endian, or back."""
    if _BIG_ENDIAN:
        numbers.byteswap()
    return numbers


def _series(columns: list[tuple[str, str, bytes]], kind: Any) -> Series[Any]:
    found = {name: _numbers(code, planes) for name, code, planes in columns}
    if len({len(column) for column in found.values()}) != 1:
        raise ValueError("columns of different lengths")
    return Series(kind.__args__[0], found)


def _without_receipt(model: type[Any]) -> Callable[[Any], dict[str, Any]]:
    return make_dict_unstructure_fn(model, _converter, receipt=override(omit=True))


def _is_series(kind: object) -> bool:
    return getattr(kind, "__origin__", kind) is Series


_converter = Converter(detailed_validation=False)
_converter.register_unstructure_hook_factory(
    lambda kind: isinstance(kind, type) and issubclass(kind, SeriesResult), _without_receipt
)
_converter.register_unstructure_hook_func(
    _is_series, lambda series: [_column(name, view) for name, view in series.columns.items()]
)
_converter.register_unstructure_hook(datetime, lambda at: (at - _EPOCH) // _TICK)
_converter.register_structure_hook_func(_is_series, _series)
_converter.register_structure_hook(datetime, lambda ticks, _: _EPOCH + ticks * _TICK)
_converter.register_structure_hook(float, lambda number, _: number)  # a whole one stays an `int`
# The blob's word for gaps is older than the attribute's name: blobs written before have to be read.
# Last: the generated functions take over the hooks that are registered by then.
_converter.register_unstructure_hook(
    Coverage, make_dict_unstructure_fn(Coverage, _converter, _gaps=override(rename="holes"))
)
_converter.register_structure_hook(
    Coverage, make_dict_structure_fn(Coverage, _converter, _gaps=override(rename="holes"))
)
