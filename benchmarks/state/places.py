"""The states that are measured: memory, a file, and the servers that are installed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

SERVERS = {"postgres": "postgres", "redis": "redis-aof"}
"""Names of states on servers, and of the servers that the tests start for them."""


@contextmanager
def places(*, servers: bool) -> Iterator[dict[str, str]]:
    """Start the servers that are installed; return path or URL of each state by its name.

    Args:
        servers: whether there are to be any.
    """
    with tempfile.TemporaryDirectory(prefix="enlighten") as folder, ExitStack() as running:
        found = {"memory": "", "file": str(Path(folder, "state.db"))}
        for name in SERVERS if servers else ():
            url = _started(name, Path(folder), running)
            if url:
                found[name] = url
            else:
                print(f"{name} is not installed: left out")
        yield found


def _started(name: str, folder: Path, running: ExitStack) -> str:
    """Return the URL of a server that is started; empty if it is not installed."""
    import pytest  # noqa: PLC0415 - of the tests

    from tests.state.servers import SERVERS as MAKERS  # noqa: PLC0415

    place = folder / name
    place.mkdir()
    try:
        server = MAKERS[SERVERS[name]](place)
    except pytest.skip.Exception:
        return ""
    running.callback(server.stop)
    return server.url
