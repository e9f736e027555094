"""An authorization server: hands out tokens, and ends those that were used if it is strict."""

# ruff: noqa: D102

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

import httpx
from anyio.lowlevel import checkpoint

from enlighten_async.clock import Clock, SystemClock
from enlighten_async.oauth import OAuth, TokenStore
from enlighten_async.testing import FakeClock

CLIENT_ID, CLIENT_SECRET = "5c1ient1dc0ffee", "5ecret/CANARY+c0ffee"
OWNER = "owner.CANARY@example.com"
CODE = "2TJk7M"
DAY = 86_400
Answer = tuple[int, Any]


def jwt(**claims: Any) -> str:
    """Write a token as the service does; it names the owner."""
    parts = [{"alg": "RS256"}, {"user_name": OWNER, **claims}]
    head, body = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
    return f"{head}.{body}.s1gn4ture"


class Authority:
    """The service's side of OAuth.

    Attributes:
        strict: whether a refresh token ends when it is used.
        life: seconds an access token lives.
        forms: what it was asked, in order.
        live: the refresh tokens it accepts.
        issued: all tokens it ever gave out.
        answers: given before all others, one each time: status and body, or an error to raise.
        extra: fields added to an answer with tokens.
        on_answer: called when an answer is about to leave.
        gate: the running server answers while it is set.
    """

    def __init__(self, clock: Clock | None = None, *, strict: bool = True, life: float = DAY) -> None:
        self.clock = clock or SystemClock()
        self.strict = strict
        self.life = life
        self.forms: list[dict[str, str]] = []
        self.requests: list[httpx.Request] = []
        self.live: set[str] = set()
        self.issued: list[str] = []
        self.codes = {CODE}
        self.answers: list[Answer | Exception] = []
        self.extra: dict[str, Any] = {}
        self.on_answer: Callable[[], object] = lambda: None
        self.gate = threading.Event()
        self.gate.set()
        self._serial = 0

    @property
    def refreshes(self) -> int:
        return sum(form.get("grant_type") == "refresh_token" for form in self.forms)

    def issue(self) -> dict[str, Any]:
        """Make new tokens."""
        self._serial += 1
        end = self.clock.now() + self.life
        access = jwt(exp=int(end), jti=f"a{self._serial}")
        refresh = jwt(exp=int(self.clock.now() + 30 * DAY), jti=f"r{self._serial}")
        self.live.add(refresh)
        self.issued += [access, refresh]
        return {
            "access_token": access,
            "token_type": "bearer",
            "refresh_token": refresh,
            "expires_in": str(int(self.life)),
            "enl_uid": "217231",
        } | self.extra

    def answer(self, form: dict[str, str], authorization: str) -> Answer:
        """Answer a request for tokens."""
        self.forms.append(form)
        basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if self.answers:
            given = self.answers.pop(0)
            if isinstance(given, Exception):
                raise given
            return given
        if authorization != f"Basic {basic}":
            return 401, {"error": "invalid_client", "error_description": "Bad client credentials"}
        return self._grant(form)

    def _grant(self, form: dict[str, str]) -> Answer:
        match form:
            case {"grant_type": "authorization_code", "code": code, "redirect_uri": _} if code in self.codes:
                self.codes.discard(code)
            case {"grant_type": "refresh_token", "refresh_token": old} if old in self.live:
                if self.strict:
                    self.live.discard(old)
            case {"grant_type": "password", "username": name, "password": "pa55word"} if name == OWNER:
                pass
            case _:
                text = " ".join(form.values())
                return 400, {"error": "invalid_grant", "error_description": f"Invalid: {text} of {OWNER}"}
        return 200, self.issue()

    async def handle(self, request: httpx.Request) -> httpx.Response:
        """Answer as a transport does; a task may be cancelled before and after the tokens are made."""
        self.requests.append(request)
        assert (request.method, request.url.path) == ("POST", "/oauth/token")
        await checkpoint()
        form = dict(parse_qsl(request.content.decode()))
        status, body = self.answer(form, request.headers["authorization"])
        self.on_answer()
        await checkpoint()
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return httpx.Response(status, content=content)

    def oauth(self, store: TokenStore, **settings: Any) -> OAuth:
        """Return an application's way here."""
        settings.setdefault("clock", self.clock)
        settings.setdefault("transport", httpx.MockTransport(self.handle))
        return OAuth(CLIENT_ID, CLIENT_SECRET, tokens=store, **settings)

    @contextmanager
    def running(self) -> Iterator[str]:
        """Serve on this machine and yield the base URL of the API."""
        authority, lock = self, threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                form = dict(parse_qsl(self.rfile.read(int(self.headers["content-length"])).decode()))
                authority.gate.wait(10)
                with lock:
                    status, body = authority.answer(form, self.headers["authorization"])
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/api/v4"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def fake(**settings: Any) -> Authority:
    """Return an authority on a fake clock."""
    return Authority(FakeClock(), **settings)
