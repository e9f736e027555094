"""The API's own names as methods, each of which returns a `Query`."""

from __future__ import annotations

from datetime import date
from typing import TypeVar

from enlighten_async.errors import InputError
from enlighten_async.models import RgmStats, Summary, System, Systems
from enlighten_async.session import Draft, Options, Query, Session
from enlighten_async.v2.rgm_stats import rgm_stats
from enlighten_async.v2.systems import summary, systems
from enlighten_async.windows import Moment

P = TypeVar("P")
I = TypeVar("I")  # noqa: E741 - an item
T = TypeVar("T")


class Endpoints:
    """What the service can be asked. Arguments are checked at the call, before anything is sent."""

    _session: Session
    _options: Options

    def systems(self) -> Query[System, Systems]:
        """Ask for all systems the user may see; one request per 1,000 systems.

        Streamed, it hands out one `System` after another.
        """
        return self._query(systems(self._session.zones))

    def summary(self, system_id: int | str, *, summary_date: date | None = None) -> Query[Summary, Summary]:
        """Ask for a system's state and energy on one of its local days; one request.

        Args:
            system_id: the service's number of the system.
            summary_date: a local day; by default the system's own today.

        Raises:
            InputError: an argument is wrong.
        """
        return self._query(summary(_number(system_id), summary_date))

    def rgm_stats(
        self,
        system_id: int | str,
        *,
        start_at: Moment | None = None,
        end_at: Moment | None = None,
        start_date: date | None = None,
        end_date: date | None = None,
    ) -> Query[RgmStats, RgmStats]:
        """Ask for the 15-minute intervals of a system's revenue-grade meters, over a range of any length.

        One request per 7 days, the most the service gives. The range is `(start, end]` after both were
        floored to the quarter of an hour, and ends by now. Without a range it is the system's own today,
        so far. Streamed, it hands out one `RgmStats` per window, oldest first.

        Args:
            system_id: the service's number of the system.
            start_at: start, exclusive: an aware datetime or epoch seconds.
            end_at: end, inclusive; by default now.
            start_date: first local day, in place of `start_at`.
            end_date: last local day, inclusive; by default today. Local days need the system's time zone:
                known from earlier answers of `systems`, or else asked for by one request.

        Raises:
            InputError: an argument is wrong.
        """
        draft = rgm_stats(
            _number(system_id),
            self._session.zones,
            start_at=start_at,
            end_at=end_at,
            start_date=start_date,
            end_date=end_date,
        )
        return self._query(draft)

    def _query(self, draft: Draft[P, I, T]) -> Query[I, T]:
        return Query(self._session, self._options, draft)


def _number(system_id: object) -> int:
    """Return a system id as a number; the service sends it as one, users keep it as text too."""
    text = str(system_id)
    if isinstance(system_id, bool) or not isinstance(system_id, int | str) or not text.isascii():
        raise InputError(f"system_id must be a number such as 1765, not {system_id!r}")
    if not text.isdigit() or not 0 < int(text[:20]) < 2**63:
        raise InputError(f"system_id must be a positive whole number such as 1765, not {system_id!r}")
    return int(text)
