"""A seeded, deterministic fake of the service: for demos, and for tests of code that uses it."""

from enlighten_async.emulator.app import Emulator
from enlighten_async.emulator.faults import Fault
from enlighten_async.emulator.quota import Quota
from enlighten_async.emulator.simulation.system import Envoy, Meter, RetiredMeter, System
from enlighten_async.emulator.v4.apps import App
from enlighten_async.emulator.v4.quirks import V4Options

__all__ = ["App", "Emulator", "Envoy", "Fault", "Meter", "Quota", "RetiredMeter", "System", "V4Options"]
