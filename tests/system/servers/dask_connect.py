"""What the workers of a cluster open: where the service and the database are is in the environment."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from enlighten_async import EnlightenClient, Plan
from enlighten_async.fleet import PostgresSink, Sink
from tests.world import API_KEY


@asynccontextmanager
async def connect() -> AsyncIterator[tuple[EnlightenClient, Sink]]:
    """Open a client and a sink."""
    options = json.loads(os.environ["FLEET"])
    async with (
        EnlightenClient(
            API_KEY,
            options["user"],
            base_url=options["url"],
            state=options["state"],
            plan=Plan(minute=options["minute"]),
        ) as client,
        PostgresSink(options["sink"]) as sink,
    ):
        yield client, sink
