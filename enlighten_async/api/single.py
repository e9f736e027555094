"""Plans of queries of one request, whose part is the answer."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Generic, TypeVar
from zoneinfo import ZoneInfo

from attrs import evolve, frozen

from enlighten_async.api import decode, error_bodies
from enlighten_async.cache import SeriesIndex, absent_until
from enlighten_async.errors import APIError, EnlightenError
from enlighten_async.models.coverage import Gap, Reason
from enlighten_async.models.receipt import Receipt
from enlighten_async.query.plan import Part, QueryPlan, Segment, Segments
from enlighten_async.windows import Moment, Window, epoch
from enlighten_async.wire import Params, Request, Requests, Response, never_final

if TYPE_CHECKING:
    from enlighten_async.models.readings import MeterReadings, StorageMeterReadings

P = TypeVar("P")


class OneRequestPlan(QueryPlan[P, P], Generic[P]):
    """The plan of a query of one request; its part is the answer, a model that has `receipt`."""

    @abstractmethod
    def request_at(self, now: float) -> Request[P]:
        """Return the request, which may depend on the service's time (epoch seconds)."""

    def segments(self, now: float, zone: ZoneInfo | None, cached: SeriesIndex) -> Segments:
        """Return one segment of one request.

        The response is cached under the request, also one of the moment: a caller's `max_age` may allow it.
        """
        request = self.request_at(now)
        if request.valid_until is None:
            request = evolve(request, valid_until=never_final)
        return Segments((Segment(self.asked(request)),))

    def asked(self, request: Request[P]) -> Requests[P]:
        """Ask for the answer; the last part is it."""
        yield request

    def merge(self, parts: Sequence[Part], gaps: Sequence[Gap], receipt: Receipt, window: Window | None) -> P:
        """Return the last part, with the costs of the query."""
        answer: P = evolve(parts[-1], receipt=receipt)
        return answer

    def items(self, part: P) -> tuple[P]:
        """Return the part: a stream of one answer hands out that answer."""
        return (part,)


@frozen
class SinglePlan(OneRequestPlan[P]):
    """The plan of a query whose request is known from the start."""

    request: Request[P]
    """The request."""
    model: Callable[[], type[P]]
    """Returns the class of the answer; loads its module."""

    @property
    def name(self) -> str:
        """The API's name of the endpoint."""
        return self.request.endpoint

    def load(self) -> None:
        """Load the modules that the answer needs."""
        decode.load(self.model)

    def request_at(self, now: float) -> Request[P]:
        """Return the request."""
        return self.request


def system_plan(
    model: Callable[[], type[P]],
    endpoint: str,
    system_id: int,
    *,
    path: str = "",
    params: Params = (),
    shape: decode.Shape | None = None,
    defaults: Mapping[str, object] = MappingProxyType({}),
) -> SinglePlan[P]:
    """Return the plan of a request about one system, whose response is one object.

    Args:
        model: returns the class of the answer, which has `as_of` and `receipt`; loads its module.
        endpoint: the API's name of the endpoint.
        system_id: the system.
        path: where it is, below the system; the name of the endpoint by default.
        params: the parameters.
        shape: turns the object into the fields of the model, where its own differ.
        defaults: values of fields that a response may leave out.
    """
    read = partial(read_object, model, shape=shape, defaults=defaults, system_id=system_id)
    request = Request(endpoint, f"/systems/{system_id}/{path or endpoint}", params, read)
    return SinglePlan(request, model)


def read_object(
    model: Callable[[], type[P]],
    response: Response,
    *,
    shape: decode.Shape | None = None,
    defaults: Mapping[str, object] = MappingProxyType({}),
    system_id: int | None = None,
) -> P:
    """Decode an answer that is one object: see `decode.value`."""
    return decode.value(model(), response, shape=shape, defaults=defaults, system_id=system_id)


M = TypeVar("M", bound="MeterReadings | StorageMeterReadings")


@frozen
class ReadingsPlan(OneRequestPlan[M]):
    """The plan of a query for the last readings of a system's meters."""

    request: Request[M]
    """The request for the readings of now."""
    end: int | None
    """Readings after it do not count, epoch seconds; `None`: now."""
    system_id: int
    """The system."""
    model: Callable[[], type[M]]
    """Returns the class of the answer; loads its module."""

    @cached_property
    def nothing(self) -> M:
        """The answer without readings, for an end that has not come yet."""
        return self.model()(self.system_id)

    @property
    def name(self) -> str:
        """The API's name of the endpoint."""
        return self.request.endpoint

    def load(self) -> None:
        """Load the modules that the answer needs."""
        decode.load(self.model)

    def request_at(self, now: float) -> Request[M]:
        """Return the request for the readings of the end."""
        return self._request(self.end)

    def asked(self, request: Request[M]) -> Requests[M]:
        """Ask for the readings; and once more for those of now, if the end is ahead of the service's time."""
        part = yield request
        if part is self.nothing:
            yield self._request(None)

    def _request(self, end: int | None) -> Request[M]:
        params = () if end is None else (("end_at", str(end)),)
        empty = self.request.empty_answer_for if end is None else self._empty_answer_for
        return evolve(self.request, params=params, empty_answer_for=empty, valid_until=self._valid_until)

    def _empty_answer_for(self, error: EnlightenError) -> M | None:
        """Return the empty answer that an error stands for, also one that says that the end is ahead."""
        now = decode.fetched_at(error.response) if isinstance(error, APIError) else None
        ahead = now is not None and self.end is not None and now.timestamp() < self.end
        if ahead and error_bodies.FUTURE_RANGE in str(error):
            return self.nothing
        return self.request.empty_answer_for(error)

    def _valid_until(self, part: M, fetched: float, _since: float | None) -> float:
        """Return up to when (epoch seconds) a response will do: one that there are no meters, for a while."""
        absent = part.meta is None and not part.meter_readings and part is not self.nothing
        return absent_until(Reason.NO_DEVICE, fetched) if absent else fetched


def readings_plan(
    model: Callable[[], type[M]],
    endpoint: str,
    system_id: int,
    end_at: Moment | None,
    *,
    shape: decode.Shape | None = None,
) -> ReadingsPlan[M]:
    """Return the plan of a query for the last readings of a system's meters.

    Args:
        model: returns the class of the answer; loads its module.
        endpoint: the API's name of the endpoint.
        system_id: the system.
        end_at: readings after it do not count; now if not given, or if that is earlier.
        shape: turns the response into the fields of the model.

    Raises:
        InputError: `end_at` is not an instant.
    """
    end = None if end_at is None else int(epoch(end_at, "end_at"))
    request = system_plan(model, endpoint, system_id, shape=shape).request
    empty = partial(_no_readings, model, system_id)
    return ReadingsPlan(evolve(request, empty_answer_for=empty), end, system_id, model)


def _no_readings(model: Callable[[], type[M]], system_id: int, error: EnlightenError) -> M | None:
    """Return the empty answer that an error stands for which says that there are no such meters."""
    if not (isinstance(error, APIError) and error_bodies.says_no_device(error)):
        return None
    return model()(system_id, as_of=decode.fetched_at(error.response))
