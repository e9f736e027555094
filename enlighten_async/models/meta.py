"""What the service says of a system beside its data."""

from __future__ import annotations

from datetime import datetime

from attrs import frozen


@frozen
class Meta:
    """The state of a system when it was asked about.

    Attributes:
        status: the API's word ("normal", "comm", "micro", ...); an open set.
        last_report_at: when its gateway last reported (aware UTC); null if never.
        last_energy_at: when it last reported energy (aware UTC); null if never.
        operational_at: when it went into operation (aware UTC); null if not yet.
    """

    status: str | None = None
    last_report_at: datetime | None = None
    last_energy_at: datetime | None = None
    operational_at: datetime | None = None
