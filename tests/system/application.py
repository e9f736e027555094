"""An application at a real server, and what of it nobody may see."""

from __future__ import annotations

import base64
from http.client import HTTPConnection
from typing import Any
from urllib.parse import parse_qs, urlsplit

from enlighten_async import EnlightenClient, MemoryTokenStore, OAuth, RetryPolicy, Tokens
from enlighten_async.limiter import MemoryQuotaStore
from tests.oauth.accounts import InstantClock
from tests.world import AMPLE

KEY, CLIENT_ID, CLIENT_SECRET = "5ec2e7c0ffee4d1e9a0b6f7788aabbcc", "c1ient", "s3cret-CANARY-cl1ent"
BASIC = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
OWNER = "@homes.example"


class Recorder(MemoryTokenStore):
    """Keeps tokens, and remembers all there ever were."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    async def save(self, account: str, tokens: Tokens) -> None:
        """Keep the tokens."""
        await super().save(account, tokens)
        plain = tokens.reveal()
        self.seen |= {str(plain[name]) for name in ("access_token", "refresh_token") if plain[name]}


class Application:
    """An application at a server, and its secrets.

    Attributes:
        url: of the server.
        oauth: logs in.
        codes: those that owners came back with.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.codes: list[str] = []
        self._store = Recorder()
        self.oauth = OAuth(CLIENT_ID, CLIENT_SECRET, tokens=self._store, base_url=url, clock=InstantClock())

    async def login(self) -> Tokens:
        """Let the owner consent, and exchange the code."""
        self.codes.append(consent(self.oauth.authorization_url()))
        return await self.oauth.exchange("default", self.codes[-1])

    def client(self, **options: Any) -> EnlightenClient:
        """Open a client that never waits."""
        return EnlightenClient.v4(
            KEY,
            oauth=self.oauth,
            base_url=self.url,
            plan=AMPLE,
            quota_store=MemoryQuotaStore(),
            retry=RetryPolicy(attempts=1),
            clock=InstantClock(),
            **options,
        )

    def leaks(self, text: str) -> list[str]:
        """Return what a text holds that nobody may see; the beginning of what looks like a token as well."""
        known = [KEY, CLIENT_SECRET, BASIC, OWNER, *self.codes, *self._store.seen, "eyJhbGciOi", "eyJhcHBf"]
        return [secret for secret in known if secret in text]


def consent(url: str) -> str:
    """Open a page as the owner does, unlogged; return the code that comes of it."""
    page = urlsplit(url)
    connection = HTTPConnection(page.netloc)
    connection.request("GET", f"{page.path}?{page.query}")
    where = connection.getresponse().getheader("location") or ""
    connection.close()
    return parse_qs(urlsplit(where).query)["code"][0]
