"""What is known of a key at one moment, for whoever wants to look at it."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen


@frozen
class Standing:
    """The counts of a key.

    Attributes:
        used: requests that may have been counted in the running windows, at the most, by period; those in
            flight are among them.
        limits: requests that may be used in a window, by period; a period without limit is absent.
        learned: limits that the server named when it refused a request, by period.
        closed: until when (server's time, epoch seconds) it said that it serves nothing, by period.
        in_flight: requests of all clients of the store on their way.
        earliest: the earliest the server's time can be (epoch seconds); `None`: nothing has told it yet.
        latest: the latest it can be.
    """

    used: Mapping[str, int]
    limits: Mapping[str, int]
    learned: Mapping[str, int]
    closed: Mapping[str, float]
    in_flight: int
    earliest: float | None
    latest: float | None


@frozen
class Alarm:
    """The news that most of a month is used up.

    Attributes:
        share: the stage that was reached, of 1.
        used: requests used in the month.
        limit: requests that may be used in it.
        until: when the month ends (server's time, epoch seconds).
    """

    share: float
    used: int
    limit: int
    until: float
