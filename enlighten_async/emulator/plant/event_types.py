"""What kinds of events there are. The service names far more; of these only 28 and 4781 are its own."""

from __future__ import annotations

from typing import Literal, TypeAlias

from attrs import asdict, frozen

Severity: TypeAlias = Literal[1, 2, 3, 4, 5, 6]  # fatal, error, warning, info, debug, none


@frozen(kw_only=True)
class EventType:
    """A kind of event, with the service's own names; the sentences are the emulator's.

    A stateful one is open until it is over, a transient one is over at once.
    """

    event_type_id: int
    event_type_key: str
    stateful: bool
    event_name: str
    event_description: str
    recommended_action: str


GATEWAY_SILENT = EventType(
    event_type_id=28,
    event_type_key="envoy_no_report",
    stateful=True,
    event_name="Gateway not reporting",
    event_description="Nothing has come in from the gateway, most often as its line to the internet is down.",
    recommended_action="See whether gateway and router have power and are connected.",
)
METER_SILENT = EventType(
    event_type_id=90_001,
    event_type_key="meter_no_report",
    stateful=True,
    event_name="Meter not reporting",
    event_description="The gateway reports, and has no readings of this meter.",
    recommended_action="Have the wires between meter and gateway looked at if it lasts.",
)
BATTERY_FULL = EventType(
    event_type_id=90_002,
    event_type_key="encharge_full",
    stateful=False,
    event_name="Battery full",
    event_description="The battery holds as much as it can.",
    recommended_action="Nothing needs to be done.",
)
ACB_ASLEEP = EventType(
    event_type_id=4781,
    event_type_key="acb_sleeping",
    stateful=False,
    event_name="AC Battery Sleeping",
    event_description="The AC Battery holds what it should and rests.",
    recommended_action="Nothing needs to be done.",
)
EVENT_TYPES = (GATEWAY_SILENT, ACB_ASLEEP, METER_SILENT, BATTERY_FULL)
SEVERITY: dict[int, Severity] = {GATEWAY_SILENT.event_type_id: 3, METER_SILENT.event_type_id: 2}


def event_types(event_type_id: int | None = None) -> list[dict[str, object]]:
    """Return all kinds of events, or the one of this id; KeyError if there is none."""
    if event_type_id is None:
        return [asdict(kind) for kind in EVENT_TYPES]
    return [asdict({kind.event_type_id: kind for kind in EVENT_TYPES}[event_type_id])]
