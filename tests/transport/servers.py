"""Servers of one kind of response: a handler for the raw server, or a mock in place of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx

from enlighten_async.clock import SystemClock
from enlighten_async.transport import Transport

BASE = "https://api.example.com/api/v2"


def mocked(handler: Callable[[httpx.Request], Any], **settings: Any) -> Transport:
    """Return a transport whose requests the handler answers."""
    basic = {"base_url": BASE, "clock": SystemClock(), "max_connections": 10}
    return Transport(**{**basic, "transport": httpx.MockTransport(handler), **settings})


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def say(*parts: bytes) -> Callable[[Any, bytes], bool]:
    """Return a handler that sends these bytes and ends the connection."""

    def handler(sock: Any, _: bytes) -> bool:
        for part in parts:
            sock.sendall(part)
        return False

    return handler
