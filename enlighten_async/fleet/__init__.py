"""Fleets: many systems, followed as freshly as the quota allows."""

from enlighten_async.fleet.fleet import Fleet
from enlighten_async.fleet.plan import FleetPlan

__all__ = ["Fleet", "FleetPlan"]
