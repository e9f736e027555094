"""A seeded, deterministic fake of the service: for demos, and for tests of code that uses it."""

from enlighten_async.emulator.admin import jittered
from enlighten_async.emulator.app import Emulator
from enlighten_async.emulator.drift import DEFAULT_DRIFTS, DRIFTS, Drift
from enlighten_async.emulator.faults import Fault
from enlighten_async.emulator.named_faults import FAULTS, named_fault, parse_fault
from enlighten_async.emulator.quota import Quota
from enlighten_async.emulator.request_log import Access
from enlighten_async.emulator.service_clock import ServiceClock
from enlighten_async.emulator.simulation.system import Backlog, Envoy, Meter, RetiredMeter, System
from enlighten_async.emulator.v4.apps import App
from enlighten_async.emulator.v4.quirks import V4Options

__all__ = [
    "DEFAULT_DRIFTS",
    "DRIFTS",
    "FAULTS",
    "Access",
    "App",
    "Backlog",
    "Drift",
    "Emulator",
    "Envoy",
    "Fault",
    "Meter",
    "Quota",
    "RetiredMeter",
    "ServiceClock",
    "System",
    "V4Options",
    "jittered",
    "named_fault",
    "parse_fault",
]
