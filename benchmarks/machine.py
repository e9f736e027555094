"""The machine that figures were taken on, in a line above each table."""

from __future__ import annotations

import os
import platform


def machine(rounds: int | None = None) -> str:
    """Return the cores, Python, the rounds if there were several, and how busy the machine is meanwhile.

    The load is that of the last five minutes, where the system tells it: tasks that run or want to, with the
    benchmark's own.
    """
    load = f", load {os.getloadavg()[1]:.1f}" if hasattr(os, "getloadavg") else ""
    played = "" if rounds is None else f", {rounds} rounds"
    return f"{os.cpu_count()} cores, Python {platform.python_version()}{load}{played}"
