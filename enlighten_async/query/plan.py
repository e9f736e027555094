"""The plan of a query: segments in order of time, and how their parts become an answer. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeAlias, TypeVar

from attrs import field, frozen

from enlighten_async.models.coverage import Gap, Reason
from enlighten_async.models.receipt import Receipt
from enlighten_async.windows import Window
from enlighten_async.wire import Flow, SeriesKey

P = TypeVar("P")
I = TypeVar("I")  # noqa: E741 - an item
T = TypeVar("T")


@frozen
class Leg(Generic[P]):
    """One flow, the part of time it is for, and whether the store holds that."""

    flow: Flow[P]
    window: Window | None = None
    held: bool = False


def _never(_part: object, _window: Window) -> None:
    """Skip nothing."""


def _ignore(_part: object) -> None:
    """Learn nothing."""


@frozen
class Outline(Generic[P, I, T]):
    """A query before it is run.

    Attributes:
        legs: its flows, oldest first; they may run side by side.
        merge: joins parts (oldest first), gaps nobody has a part for, and the receipt to the answer.
        unpack: what a stream hands out of a part.
        skip: tells by the newest part why a window need not be asked for, if so.
        learn: is shown each part.
        pruned: windows left out beforehand, as documented as empty.
        spare: requests it may take beyond one for each window, where an answer does not speak for the whole
            of its window.
        open_ended: whether only the service knows how many requests it takes.
        cheaper: a way that costs less, in words; empty if there is none.
    """

    legs: tuple[Leg[P], ...]
    merge: Callable[[Sequence[P], Sequence[Gap], Receipt], T]
    unpack: Callable[[P], Iterable[I]]
    skip: Callable[[P, Window], Reason | None] = field(default=_never)
    learn: Callable[[P], None] = field(default=_ignore)
    pruned: int = 0
    spare: int = 0
    open_ended: bool = False
    cheaper: str = ""


@frozen
class Draft(Generic[P, I, T]):
    """A query before the time and the system's time zone are known.

    Attributes:
        outline: makes the outline of the time now (epoch seconds), the time zone and, where there is a
            series, what is `SeriesIndex` of it.
        zone_of: the system whose time zone it needs; `None` if it needs none.
        series: where its parts are kept, if they are worth keeping.
    """

    outline: Callable[..., Outline[P, I, T]]
    zone_of: int | None = None
    series: SeriesKey[P] | None = None


Endpoints: TypeAlias = Mapping[str, Callable[..., Draft[Any, Any, Any]]]
"""A dialect's endpoints by the names of the client's methods: what makes a draft of their arguments."""
