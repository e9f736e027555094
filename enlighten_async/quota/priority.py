"""Whose requests go first."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, TypeAlias

Priority: TypeAlias = Literal["interactive", "poll", "backfill"]
"""Somebody waits for the answer; it is fetched regularly; it is history, and may take days."""

RANKS: Mapping[Priority, int] = MappingProxyType({"interactive": 0, "poll": 1, "backfill": 2})
"""The classes by how many are above them: a lower rank goes first."""
