"""Rows in PostgreSQL, as far as no server is needed."""

from __future__ import annotations

import pytest

from enlighten_async import InputError
from enlighten_async.fleet import PostgresSink
from tests.system.exposed_text import shown_inside

pytest.importorskip("asyncpg", reason="an extra is not installed")


def test_no_password_in_the_frames_of_a_sink_that_is_not_made() -> None:
    """Not even where the URL is none, so that it is not known what of it is the password."""
    with pytest.raises(InputError) as caught:
        PostgresSink("postgresql://me:CANARY@[::1/solar")
    assert "CANARY" not in shown_inside(caught.value, __file__)
