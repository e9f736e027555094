"""What answers have in common: they can be written down, and some are sequences of rows."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar, overload

from enlighten_async.models.convert import unstructure

R_co = TypeVar("R_co", covariant=True)


class Plain:
    """A model that can be written as plain values."""

    __slots__ = ()

    def to_dict(self) -> dict[str, object]:
        """Return it as plain values that `json` can write; instants as ISO 8601 in UTC."""
        return unstructure(self)


class Rows(Plain, Sequence[R_co], Generic[R_co]):
    """A model that is a sequence of rows as well; a slice of it is a tuple of rows."""

    __slots__ = ()

    @abstractmethod
    def _row(self, place: int) -> R_co:
        """Return one row; the place lies within the length."""

    @overload
    def __getitem__(self, index: int) -> R_co: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[R_co, ...]: ...
    def __getitem__(self, index: int | slice) -> R_co | tuple[R_co, ...]:
        places = range(len(self))[index]
        return self._row(places) if isinstance(places, int) else tuple(map(self._row, places))

    def __iter__(self) -> Iterator[R_co]:
        return map(self._row, range(len(self)))
