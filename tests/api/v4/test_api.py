"""Endpoints of version 4: each has a method of the client, and the access control that it needs."""

from __future__ import annotations

from collections import Counter
from inspect import isfunction

from enlighten_async import EnlightenClient
from enlighten_async.api.v4 import ApiV4
from enlighten_async.api.v4.errors import ACCESS_CONTROLS, access_control

NO_ENDPOINTS = {"error_for", "time_zone", "monthly_production"}
ENDPOINTS = [
    name
    for name, member in vars(ApiV4).items()
    if isfunction(member) and name[0] != "_" and name not in NO_ENDPOINTS
]


def test_each_endpoint_needs_one_access_control() -> None:
    """And none is named that does not exist."""
    named = Counter(name for endpoints in ACCESS_CONTROLS.values() for name in endpoints)
    assert named == Counter(ENDPOINTS)
    assert all(access_control(name) in ACCESS_CONTROLS for name in ENDPOINTS)
    assert access_control("monthly_production") == ""


def test_each_endpoint_is_a_method() -> None:
    """With a text that says what it asks for."""
    for name in ENDPOINTS:
        assert (getattr(EnlightenClient, name).__doc__ or "").startswith("Ask "), name
