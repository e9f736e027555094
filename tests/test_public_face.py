"""What the package offers, and what importing it costs."""

from __future__ import annotations

import subprocess
import sys

import enlighten_async

NAMES = """
APIError AuthenticationError BudgetExceeded ChannelInterval Coverage DecodeError EnlightenClient
EnlightenError Estimate Hole InputError Meta MeterIntervals NotFound PermissionDenied Plan Progress
Query QuotaExhausted RangeError Reason Receipt RequestTimeout RetryPolicy RgmInterval RgmStats
Series ServerError ServiceRetired Sum Summary System Systems Throttled TransportError Unavailable
UsageError Window
"""


def test_the_public_names_are_these() -> None:
    """A change of the public face is made on purpose, here too."""
    assert enlighten_async.__all__ == NAMES.split()
    assert all(hasattr(enlighten_async, name) for name in enlighten_async.__all__)


def test_every_public_name_is_explained() -> None:
    """Each class has a docstring of its own."""
    for name in enlighten_async.__all__:
        thing = getattr(enlighten_async, name)
        assert "__doc__" in vars(thing)
        assert vars(thing)["__doc__"]


def test_importing_the_package_leaves_extras_and_the_emulator_alone() -> None:
    """Heavy things are imported when they are used."""
    code = "import sys, enlighten_async; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "enlighten_async.client" in loaded
    # httpx and httpcore2 import click, rich and trio themselves where those are installed.
    heavy = {
        "uvicorn",
        "pytest",
        "enlighten_async.cli",
        "enlighten_async.emulator",
        "enlighten_async.testing",
    }
    assert heavy.isdisjoint(loaded)
