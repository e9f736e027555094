"""Generated fleets with a short history, which cost less to simulate."""

from __future__ import annotations

from attrs import evolve

from enlighten_async.emulator import System
from enlighten_async.emulator.simulation.fleet import build_fleet

DAY = 86_400


def recent_fleet(systems: int, now: float, *, days: int = 250, seed: int = 0) -> list[System]:
    """Return the generated systems of one user, each in service since at most so many days.

    By default that is long enough for meters that came later and for inverters that were replaced.
    """
    return [_recent(system, now - days * DAY) for system in build_fleet(seed, 1, systems, now)]


def _recent(system: System, earliest: float) -> System:
    """Return the system with its start of service, and all that follows from it, moved by whole days."""
    later = max(0, -(-(earliest - system.operational_at) // DAY)) * DAY
    return evolve(
        system,
        operational_at=int(system.operational_at + later),
        metered_at=system.metered_at and int(system.metered_at + later),
        retired_meters=tuple(
            evolve(meter, retired_at=int(meter.retired_at + later)) for meter in system.retired_meters
        ),
    )
