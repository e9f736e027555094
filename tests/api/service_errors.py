"""Errors of responses as a query takes them: a 200 that is no web page is data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from enlighten_async.errors import EnlightenError
from enlighten_async.wire import Response


def error_of(
    response: Response, error_for: Callable[..., EnlightenError], *args: Any, **options: Any
) -> EnlightenError | None:
    """Return the error that a response stands for; `None` if it is data."""
    is_data = response.status == 200 and not response.is_web_page
    return None if is_data else error_for(response, *args, **options)
