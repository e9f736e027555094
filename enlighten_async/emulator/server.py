"""The emulator on a real socket, served by uvicorn (an optional dependency)."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from enlighten_async.emulator.messages import DroppedError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from enlighten_async.emulator.asgi import AsgiApp, Message, Receive, Send
    from enlighten_async.emulator.messages import Version

START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 10.0


async def serve(app: AsgiApp, host: str, port: int) -> None:
    """Serve until the process is told to stop."""
    await uvicorn.Server(
        _config(app, host=host, port=port, log_level="info", timeout_graceful_shutdown=1)
    ).serve()


@contextmanager
def running(app: AsgiApp, port: int, version: Version) -> Iterator[str]:
    """Serve in a thread of its own; yield the root address of this version of the API.

    Raises RuntimeError if the server does not start.
    """
    with _listening(port) as listener:
        # No graceful shutdown and no log: a request that hangs would delay the end and be logged as an error.
        quiet = {"log_config": None, "log_level": "critical", "timeout_graceful_shutdown": 0}
        server = uvicorn.Server(_config(app, **quiet))
        thread = threading.Thread(
            target=server.run, kwargs={"sockets": [listener]}, name="emulator", daemon=True
        )
        thread.start()
        try:
            _await_start(server, thread)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/api/{version}"
        finally:
            server.should_exit = True
            thread.join(STOP_TIMEOUT_S)


def _listening(port: int) -> socket.socket:
    """Return a listening socket with an explicit TCP protocol number.

    asyncio sets TCP_NODELAY only on sockets it recognizes as TCP by that number; without it, small writes
    wait for the acknowledgement of the previous one.
    """
    made = socket.create_server(("127.0.0.1", port))
    return socket.socket(made.family, made.type, socket.IPPROTO_TCP, fileno=made.detach())


class _Protocol(H11Protocol):
    """HTTP/1.1 that can close a connection in the middle of a response, or before it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app: Any = partial(_close_when_dropped, self.app, transport)


async def _close_when_dropped(
    app: AsgiApp, transport: asyncio.Transport, scope: Message, receive: Receive, send: Send
) -> None:
    try:
        await app(scope, receive, send)
    except DroppedError:
        transport.close()
        while (await receive())["type"] != "http.disconnect":
            pass


def _config(app: AsgiApp, **options: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=_Protocol,
        loop="asyncio",
        ws="none",
        lifespan="off",
        access_log=False,  # it would print the key
        date_header=False,
        server_header=False,
        **options,
    )


def _await_start(server: uvicorn.Server, thread: threading.Thread) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise RuntimeError("the emulator's server did not start")
        time.sleep(0.005)
