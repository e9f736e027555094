"""Documents: models as plain values and as JSON, and back."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import partial
from itertools import repeat
from types import MappingProxyType, NoneType, UnionType
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast, get_args, get_origin

import msgspec
from attrs import evolve, fields, has, resolve_types
from cattrs import Converter, transform_error
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from enlighten_async.errors import InputError
from enlighten_async.models.coverage import Coverage, Gap, Reason
from enlighten_async.models.lifetime import Lifetime
from enlighten_async.models.series import NAN, Series, columns_of
from enlighten_async.windows import DAY, Window, as_datetime

if TYPE_CHECKING:
    from pydantic_core import CoreSchema

T = TypeVar("T")

PIECE_ROWS: Final = 1_000
"""Rows that are made into text at a time: another thread, such as an event loop's, may run between them."""


def plain(model: object) -> dict[str, object]:
    """Return a model as plain values: those of its JSON."""
    values: dict[str, object] = msgspec.json.decode(encoded(model))
    return values


def encoded(model: object, *, columns: bool = False) -> bytes:
    """Return a model as JSON: instants and dates in ISO 8601, instants in UTC.

    Args:
        model: the model.
        columns: whether series are an object of columns, in place of a list of rows.
    """
    write = partial(_json_columns if columns else _json_rows, instants=_Instants())
    values = _converter.unstructure(model)
    try:
        return msgspec.json.encode(values, enc_hook=write)
    except UnicodeEncodeError:
        return msgspec.json.encode(_readable(values), enc_hook=write)


def _readable(values: object) -> object:
    """Return values without halves of surrogate pairs in their texts: JSON can hold them, UTF-8 cannot."""
    if isinstance(values, str):
        return values.encode(errors="replace").decode()
    if isinstance(values, list | tuple):
        return [_readable(each) for each in values]
    if isinstance(values, dict):
        return {name: _readable(each) for name, each in values.items()}
    return values


def restored(values: object, model: type[T]) -> T:
    """Return the model that plain values were made of; series may be rows or columns.

    Raises:
        InputError: they are not such a model's.
    """
    try:
        return _converter.structure(values, model)
    except Exception as error:  # noqa: BLE001 - cattrs has groups of any errors
        problem = transform_error(error)[0]
    raise InputError(f"no {model.__name__} as to_dict() gives it: {problem}")


def decoded(json: bytes | str, model: type[T]) -> T:
    """Return the model that JSON was made of.

    Raises:
        InputError: it is no JSON, or not of such a model.
    """
    try:
        values = msgspec.json.decode(json)
    except (msgspec.DecodeError, UnicodeDecodeError):
        values = None
    if not isinstance(values, dict):
        raise InputError(f"no {model.__name__} as to_json() gives it: not an object in JSON")
    return restored(values, model)


def pydantic_schema(model: type[Any], handler: Callable[[object], CoreSchema]) -> CoreSchema:
    """Return a schema of pydantic: a model is taken as it is, or from its plain values, and written as such.

    Args:
        model: the class.
        handler: makes the schema of a type, as pydantic passes it.
    """
    from pydantic_core import core_schema  # noqa: PLC0415 - whoever asks for it has it

    from enlighten_async.export import shapes  # noqa: PLC0415 - many classes that nothing else needs

    shape = handler(getattr(shapes, f"{model.__name__}Dict"))
    read = core_schema.no_info_after_validator_function(model.from_dict, shape)
    return core_schema.json_or_python_schema(
        json_schema=read,
        python_schema=core_schema.union_schema([core_schema.is_instance_schema(model), read]),
        serialization=core_schema.plain_serializer_function_ser_schema(model.to_dict),
    )


# Series as text: column by column, as a loop over rows would take several times as long


class _Instants(dict[int, str]):
    """The JSON of instants, by their epoch seconds: those of a series come again with each device."""

    def __init__(self) -> None:
        super().__init__()
        self._days, self._times = _Texts(_day_text), _Texts(_time_text)

    def of(self, seconds: array[int]) -> list[str]:
        """Return the JSON of each instant."""
        found = list(map(self.get, seconds))
        if None not in found:
            return cast("list[str]", found)
        days, times = self._days, self._times
        made = [f'"{days[day]}T{times[second]}' for day, second in map(divmod, seconds, repeat(DAY))]
        self.update(zip(seconds, made, strict=True))
        return made


class _Texts(dict[int, str]):
    """The text of numbers, made by a function when a number comes for the first time."""

    def __init__(self, make: Callable[[int], str]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, number: int) -> str:
        return self.setdefault(number, self._make(number))


def _day_text(day: int) -> str:
    """Return the date of a day since 1970."""
    return as_datetime(day * DAY).date().isoformat()


def _time_text(second: int) -> str:
    """Return the time of a second of the day, up to the end of the JSON of an instant."""
    return f'{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}+00:00"'


def _steps(series: Series[object]) -> Iterator[tuple[str, list[array[Any]]]]:
    """Yield each column's name, and its numbers so many at a time."""
    for column in columns_of(series._row):
        values = series._columns[column.name]
        yield column.name, [values[at : at + PIECE_ROWS] for at in range(0, len(values), PIECE_ROWS)]


def _figures(values: array[Any]) -> str:
    """Return numbers in JSON, without brackets: integral ones as integers, as the service has them."""
    return (msgspec.json.encode(values.tolist())[1:-1] + b",").replace(b".0,", b",")[:-1].decode()


def _json_rows(series: Series[object], instants: _Instants) -> msgspec.Raw:
    """Return a series as a list of rows."""
    pieces, before = list[Iterator[Iterable[str]]](), "{"
    for name, steps in _steps(series):
        pieces.append(repeat(repeat(f'{before}"{name}":')))
        at = name == "end_at"
        pieces.append(map(instants.of, steps) if at else (_figures(each).split(",") for each in steps))
        before = ","
    rows = (
        ",".join(map("".join, zip(*step, repeat("}"), strict=False))) for step in zip(*pieces, strict=False)
    )
    return msgspec.Raw(f"[{','.join(rows)}]".encode())


def _json_columns(series: Series[object], instants: _Instants) -> msgspec.Raw:
    """Return a series as an object of columns."""
    texts = list[str]()
    for name, steps in _steps(series):
        at = name == "end_at"
        told = (",".join(instants.of(each)) if at else _figures(each) for each in steps)
        texts.append(f'"{name}":[{",".join(told)}]')
    return msgspec.Raw(f"{{{','.join(texts)}}}".encode())


# Series of plain values


def _series(raw: object, kind: Any) -> Series[Any]:
    """Return the series of rows, or of an object of columns."""
    row = get_args(kind)[0]
    own = columns_of(row)
    if isinstance(raw, Mapping):
        listed = [raw[column.name] for column in own]
    else:
        rows = _listed(raw)
        listed = [[each[column.name] for each in rows] for column in own]  # type: ignore[index]
    if len(set(map(len, listed))) > 1:
        raise ValueError("columns of different lengths")
    return Series(
        row,
        {
            column.name: array(column.typecode, map(_RAW[column.typecode], values))
            for column, values in zip(own, listed, strict=True)
        },
    )


def _figure(value: float | None) -> float:
    return NAN if value is None else value


def _seconds(text: str) -> int:
    return int(_instant(text).timestamp())


_RAW: Final[Mapping[str, Callable[[Any], float]]] = MappingProxyType({"q": _seconds, "h": int, "d": _figure})
"""Functions that return the number of a column for a plain value, by its type code."""


# Values


def _instant_text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()


def _instant(text: object, _: object = None) -> datetime:
    moment = datetime.fromisoformat(_of_kind(text, str))
    if moment.tzinfo is None:
        raise ValueError("an instant without an offset")
    return moment.astimezone(UTC)


def _of_kind(raw: object, kind: type[T]) -> T:
    """Return a value of a kind as it is; an integer stands for a float as well."""
    if isinstance(raw, kind) and (kind is bool or not isinstance(raw, bool)):
        return raw
    if kind is float and isinstance(raw, int) and not isinstance(raw, bool):
        return cast("T", raw)
    raise TypeError(f"{type(raw).__name__} in place of {kind.__name__}")


def _of_kinds(raw: object, kind: object) -> object:
    """Return a value of one of several plain kinds as it is."""
    if not isinstance(raw, get_args(kind)) or isinstance(raw, bool):
        raise TypeError(f"{type(raw).__name__} in place of {kind}")
    return raw


def _listed(raw: object) -> Sequence[object]:
    if not isinstance(raw, list | tuple):
        raise TypeError(f"{type(raw).__name__} in place of a list")
    return raw


def _is(kind: type) -> Callable[[Any], bool]:
    """Return a function that tells whether a hint is of a generic class."""
    return lambda hint: (get_origin(hint) or hint) is kind


def _is_plain_union(hint: object) -> bool:
    kinds = {*get_args(hint)} - {NoneType}
    return isinstance(hint, UnionType) and len(kinds) > 1 and kinds <= {int, float, str}


def _items(raw: object, hint: Any) -> tuple[object, ...]:
    item = get_args(hint)[0]
    read = _converter.get_structure_hook(item)
    return tuple(read(each, item) for each in _listed(raw))


def _plain_window(window: Window) -> dict[str, object]:
    return {"start_at": window.start_at.isoformat(), "end_at": window.end_at.isoformat()}


def _window(raw: Any, _: object) -> Window:
    return Window(_seconds(raw["start_at"]), _seconds(raw["end_at"]))


_WRITE: Final[Mapping[Any, Callable[[Any], object]]] = MappingProxyType(
    {
        datetime: _instant_text,
        date: lambda day: day.isoformat(),
        Window: _plain_window,
        Gap: lambda gap: {**_plain_window(gap.window), "reason": gap.reason.value},
    }
)


def _writer(model: type[Any]) -> Callable[[Any], dict[str, object]]:
    """Return the function that makes a model of a class plain: its attributes, and what follows from them."""
    resolve_types(model)
    hidden = ("missing", "notes") if issubclass(model, Lifetime) else ()
    names: dict[str, Any] = {each.name: override(omit=True) for each in fields(model) if each.name in hidden}
    if model is Coverage:
        names["_gaps"] = override(rename="gaps")
    attributes = make_dict_unstructure_fn(model, _converter, **names)
    derived = next((told for kind, told in DERIVED.items() if issubclass(model, kind)), ())
    if not derived:
        return attributes
    return lambda value: (
        attributes(value) | {name: _converter.unstructure(getattr(value, name)) for name in derived}
    )


DERIVED: Final[Mapping[type, tuple[str, ...]]] = MappingProxyType(
    {Coverage: ("complete", "got", "expected"), Lifetime: ("dates", "coverage")}
)
"""Properties that are told beside the attributes."""


def _reader(model: type[Any]) -> Callable[[Any, object], Any]:
    """Return the function that makes a model of a class of plain values."""
    resolve_types(model)
    names: dict[str, Any] = {"_gaps": override(rename="gaps")} if model is Coverage else {}
    read = make_dict_structure_fn(model, _converter, **names)
    if not issubclass(model, Lifetime):
        return read

    def lifetime(raw: Any, _: object) -> Any:
        coverage = _converter.structure(raw["coverage"], Coverage)
        return evolve(read(raw, model), missing=coverage.gaps(), notes=coverage.notes)

    return lifetime


_converter = Converter()
_converter.register_unstructure_hook_factory(has, _writer)
_converter.register_structure_hook_factory(has, _reader)
for _hint, _write in _WRITE.items():
    _converter.register_unstructure_hook(_hint, _write)
for _kind in (bool, int, float, str):
    _converter.register_structure_hook(_kind, _of_kind)
_converter.register_unstructure_hook_func(_is(Series), lambda series: series)
_converter.register_unstructure_hook_func(_is(Mapping), dict)
_converter.register_structure_hook_func(_is(Series), _series)
_converter.register_structure_hook_func(_is(tuple), _items)
_converter.register_structure_hook_func(_is(Mapping), lambda raw, _: dict(_of_kind(raw, dict)))
_converter.register_structure_hook_func(_is_plain_union, _of_kinds)
_converter.register_structure_hook(datetime, _instant)
_converter.register_structure_hook(date, lambda raw, _: date.fromisoformat(_of_kind(raw, str)))
_converter.register_structure_hook(Window, _window)
_converter.register_structure_hook(Gap, lambda raw, _: Gap(_window(raw, Window), Reason(raw["reason"])))
_converter.register_structure_hook(Reason, lambda raw, _: Reason(raw))
