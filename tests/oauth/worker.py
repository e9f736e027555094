"""A process of its own: many tasks renew the tokens of one account, or it is killed while it saves them."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import TYPE_CHECKING

import anyio

from enlighten_async.oauth import FileTokenStore, OAuth, PostgresTokenStore, StateTokenStore
from enlighten_async.oauth.token_files import store_at
from tests.oauth.accounts import KEY, token
from tests.oauth.authority import CLIENT_ID, CLIENT_SECRET

if TYPE_CHECKING:
    from enlighten_async.oauth import Tokens, TokenStore


class Killing:
    """A store whose process is killed when it is about to save."""

    async def save(self, account: str, tokens: Tokens) -> None:
        """Die."""
        os.kill(os.getpid(), signal.SIGKILL)


class KillingFile(Killing, FileTokenStore):
    """Tokens in a file."""


class KillingState(Killing, StateTokenStore):
    """Tokens in a state file."""


class KillingServer(Killing, PostgresTokenStore):
    """Tokens in PostgreSQL."""


KILLING = {"tokens.json": KillingFile, "state.db": KillingState}
"""Stores by the ends of their places."""


async def main(url: str, path: str, kind: str, count: str) -> None:
    """Renew in so many tasks at once; then say which tokens they got."""
    killing = KILLING.get(path.rpartition("/")[2], KillingServer)
    store: TokenStore = killing(path) if kind == "killed" else store_at(path)
    oauth = OAuth(CLIENT_ID, CLIENT_SECRET, tokens=store, base_url=url)
    accesses = [oauth.access("anna", KEY) for _ in range(int(count))]
    async with anyio.create_task_group() as group:
        for access in accesses:
            group.start_soon(access.refresh)
        await anyio.lowlevel.checkpoint()
        print("started", flush=True)  # noqa: T201 - to the test
    print(json.dumps(sorted({token(access.current()) for access in accesses})))  # noqa: T201 - to the test


if __name__ == "__main__":
    anyio.run(main, *sys.argv[2:], backend=sys.argv[1])
