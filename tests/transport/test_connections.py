"""Connections: proxies, TLS, reuse, and their number."""

# ruff: noqa: D102, D103  (names of tests and of what they bring are sentences)

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable
from contextlib import aclosing, suppress
from functools import partial
from importlib import import_module
from traceback import TracebackException
from typing import Any

import anyio
import anyio.lowlevel
import httpcore2
import pytest

from enlighten_async import EnlightenClient
from enlighten_async.errors import InputError, TransportError
from enlighten_async.oauth import MemoryTokenStore, OAuth
from enlighten_async.transport import Secret, origin, proxy_for
from enlighten_async.transport.connections import _PHASES, ssl_context
from tests.transport.servers import say

API = "https://api.enphaseenergy.com/api/v2"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("variables", "url", "expected"),
    [
        ({}, API, None),
        ({"HTTPS_PROXY": "http://p:1"}, API, ("http", "p", 1)),
        ({"https_proxy": "p:1"}, API, ("http", "p", 1)),
        ({"HTTP_PROXY": "http://p:1"}, API, None),
        ({"ALL_PROXY": "https://p"}, API, ("https", "p", 443)),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": ".enphaseenergy.com"}, API, None),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*"}, API, None),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "example.com"}, API, ("http", "p", 1)),
        ({"ALL_PROXY": "http://p:1"}, "http://localhost:9", None),
        ({"HTTP_PROXY": "http://p:1"}, "http://127.0.0.1:9", None),
        ({"HTTP_PROXY": "http://p:1"}, "http://[::1]:9", None),
    ],
)
def test_proxy_of_the_environment(variables: Any, url: str, expected: Any, environment: Any) -> None:
    for name, value in variables.items():
        environment.setenv(name, value)
    proxy = proxy_for(origin(url), None)
    assert (proxy and (proxy.scheme, proxy.host, proxy.port)) == expected


def test_proxy_that_is_given_wins(environment: Any) -> None:
    environment.setenv("HTTPS_PROXY", "http://p:1")
    assert proxy_for(origin(API), Secret("")) is None
    given = proxy_for(origin("http://localhost:1"), Secret("http://some%40body:pass%3Aword@q:2"))
    assert given
    assert (given.host, given.username.reveal(), given.password.reveal()) == ("q", "some@body", "pass:word")
    assert "pass" not in repr(given).replace("password", "")


REFUSED: list[Any] = [
    "http://u:s3cret@p:port",
    "gopher://u:s3cret@p",
    "http://",
    "http://[u:s3cret@p",
    "socks5://u:s3cret@p",
    b"http://u:s3cret@p",
    {"https": "http://u:s3cret@p"},
]
MAKERS: dict[str, Callable[..., object]] = {
    "v2": partial(EnlightenClient, "key", "user"),
    "v4": lambda **options: EnlightenClient.v4("key", oauth=OAUTH, **options),
    "from_env v2": partial(EnlightenClient.from_env, {"ENLIGHTEN_API_KEY": "k", "ENLIGHTEN_USER_ID": "u"}),
    "from_env v4": partial(
        EnlightenClient.from_env,
        {"ENLIGHTEN_API_KEY": "k", "ENLIGHTEN_CLIENT_ID": "i", "ENLIGHTEN_CLIENT_SECRET": "s"},
    ),
    "OAuth": partial(OAuth, "client", "secret", tokens=MemoryTokenStore()),
    "OAuth.from_env": partial(
        OAuth.from_env,
        {"ENLIGHTEN_CLIENT_ID": "i", "ENLIGHTEN_CLIENT_SECRET": "s", "ENLIGHTEN_TOKENS": "t.json"},
    ),
}
OAUTH = OAuth("client", "secret", tokens=MemoryTokenStore())


@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("url", REFUSED, ids=str)
@pytest.mark.parametrize("maker", MAKERS)
def test_proxy_that_is_refused_is_in_no_frame(maker: str, url: Any, given: bool, environment: Any) -> None:
    """Neither where it was given, of whatever type, nor where the environment names it."""
    environment.setattr(import_module("enlighten_async.transport.origin"), "HAS_SOCKS", False)
    if not given:
        if not isinstance(url, str):
            return
        environment.setenv("HTTPS_PROXY", url)
    options = {"proxy": url} if given else {}
    with pytest.raises(InputError, match="proxy") as caught:
        MAKERS[maker](**options)
    shown = TracebackException.from_exception(caught.value, capture_locals=True)
    ours = [frame for frame in shown.stack if "enlighten_async" in frame.filename]
    assert len(ours) >= 2
    assert "s3cret" not in str(caught.value)
    assert [
        (frame.name, name)
        for frame in ours
        for name, value in (frame.locals or {}).items()
        if "s3cret" in value
    ] == []


async def test_http_proxy_carries_the_request(server, connect, exchange) -> None:
    proxy = f"http://127.0.0.1:{server.port}"
    async with aclosing(connect(base_url="http://localhost:1", proxy=proxy)) as transport:
        await transport.send(exchange)
    assert server.target.startswith("http://localhost:1/systems/1765/stats?start_at=1")
    assert exchange.sent_at is not None


def test_contexts_are_shared() -> None:
    assert ssl_context(True) is ssl_context(True)
    assert ssl_context(True).verify_mode is ssl.CERT_REQUIRED
    assert ssl_context(True).check_hostname
    assert ssl_context(False).verify_mode is ssl.CERT_NONE
    own = ssl.create_default_context()
    assert ssl_context(own) is own


async def test_unreadable_certificates_are_an_input_error(connect, exchange) -> None:
    async with aclosing(connect(base_url="https://localhost:1", verify="/no/such/file")) as transport:
        with pytest.raises(InputError, match="no CA certificates"):
            await transport.send(exchange)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Make a certificate for 127.0.0.1 and localhost, signed by itself."""
    if not (openssl := shutil.which("openssl")):
        pytest.skip("no openssl to make a certificate with")
    path = tmp_path_factory.mktemp("tls")
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    subprocess.run(
        [openssl, "req", "-x509", "-days", "2", "-newkey", "ec", "-nodes",
         "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-subj", "/CN=localhost", "-addext", names, "-keyout", path / "key.pem", "-out", path / "cert.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    return path


@pytest.fixture
def secure(server: Any, certificate: Any) -> Any:
    """The server of these tests, speaking TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    server.wrap = lambda sock: context.wrap_socket(sock, server_side=True)
    server.secure_url = f"https://127.0.0.1:{server.port}/api/v2"
    return server


async def test_https(secure, connect, certificate, new_exchange) -> None:
    verify = str(certificate / "cert.pem")
    async with aclosing(connect(base_url=secure.secure_url, verify=verify)) as transport:
        for _ in range(2):
            assert (await transport.send(new_exchange())).status == 200


async def test_unknown_certificate_is_refused(secure, connect, exchange) -> None:
    async with aclosing(connect(base_url=secure.secure_url)) as transport:
        with pytest.raises(TransportError, match=r"(?i)certificate") as caught:
            await transport.send(exchange)
    assert (caught.value.sent, caught.value.phase, secure.heads) == (False, "connect", [])
    assert not caught.value.passing


@pytest.mark.parametrize(
    ("said", "passing"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", False),  # no TLS at all
        (b"\x15\x03\x01\x00\x02\x02\x46", False),  # no version that is accepted
        (b"\x15\x03\x01\x00\x02\x02\x28", False),  # no cipher
        (b"\x15\x03\x01\x00\x02\x02\x50", True),  # an internal error
        (b"", True),
    ],
)
async def test_a_server_without_tls_that_is_accepted_is_asked_once(
    connect, exchange, said: bytes, passing: bool
) -> None:
    async def answer(stream: Any) -> None:
        async with stream:
            await stream.receive()
            await stream.send(said)

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, answer)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 - no database
        async with aclosing(connect(base_url=f"https://127.0.0.1:{port}/api/v2")) as transport:
            with pytest.raises(TransportError, match="TLS has failed") as caught:
                await transport.send(exchange)
        tasks.cancel_scope.cancel()
    assert (caught.value.sent, caught.value.passing) == (False, passing)


async def test_refused_connection_may_pass_and_was_not_sent(connect, exchange) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    async with aclosing(connect(base_url=f"http://127.0.0.1:{port}")) as transport:
        with pytest.raises(TransportError) as caught:
            await transport.send(exchange)
    assert (caught.value.sent, caught.value.phase, exchange.sent_at) == (False, "connect", None)
    assert caught.value.passing


async def test_requests_at_the_same_time_share_the_pool_that_is_built_first(
    secure, connect, certificate, new_exchange
) -> None:
    verify = str(certificate / "cert.pem")
    async with aclosing(connect(base_url=secure.secure_url, verify=verify, max_connections=1)) as transport:
        with anyio.fail_after(5):
            async with anyio.create_task_group() as group:
                for _ in range(4):
                    group.start_soon(transport.send, new_exchange())
    assert len(secure.heads) == 4


async def test_certificate_is_not_checked_where_that_is_asked_for(secure, connect, exchange) -> None:
    async with aclosing(connect(base_url=secure.secure_url, verify=False)) as transport:
        assert (await transport.send(exchange)).status == 200


class Tunnel:
    """A proxy that opens tunnels and copies bytes both ways."""

    def __init__(self, server: Any) -> None:
        self.asked: list[bytes] = []
        self._server = server

    async def __call__(self, client: anyio.abc.SocketStream) -> None:
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            async with client:
                self.asked.append(await client.receive())
                async with await anyio.connect_tcp("127.0.0.1", self._server.port) as far:
                    await client.send(b"HTTP/1.1 200 Go\r\n\r\n")
                    async with anyio.create_task_group() as group:
                        group.start_soon(self._copy, client, far)
                        await self._copy(far, client)

    @staticmethod
    async def _copy(source: Any, sink: Any) -> None:
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            while True:
                await sink.send(await source.receive())
        await sink.aclose()


@pytest.fixture
def tunnel(secure: Any) -> Any:
    """Run the proxy in a loop and thread of its own."""
    tunnel = Tunnel(secure)
    ready = threading.Event()

    async def serve() -> None:
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 - no database  # noqa: S610
        tunnel.url = f"http://127.0.0.1:{port}"
        async with listener, anyio.create_task_group() as group:
            group.start_soon(listener.serve, tunnel)
            ready.set()
            while not secure.stopped.is_set():  # noqa: ASYNC110  (set by another thread)
                await anyio.sleep(0.05)
            group.cancel_scope.cancel()

    thread = threading.Thread(target=anyio.run, args=(serve,))
    thread.start()
    assert ready.wait(5)
    yield tunnel
    secure.stopped.set()
    thread.join(5)


async def test_https_through_a_tunnel(tunnel, secure, connect, certificate, exchange) -> None:
    settings = {"base_url": secure.secure_url, "verify": str(certificate / "cert.pem"), "proxy": tunnel.url}
    async with aclosing(connect(**settings)) as transport:
        assert (await transport.send(exchange)).status == 200
    assert tunnel.asked[0].startswith(f"CONNECT 127.0.0.1:{secure.port} HTTP/1.1\r\n".encode())
    assert b"CANARY" not in tunnel.asked[0]
    assert exchange.sent_at is not None


async def test_tunnel_that_was_not_set_up_frees_its_slot(
    tunnel, secure, connect, certificate, exchange, new_exchange
) -> None:
    context = ssl.create_default_context()
    settings = {"base_url": secure.secure_url, "verify": context, "proxy": tunnel.url}
    async with aclosing(connect(max_connections=1, **settings)) as transport:
        with pytest.raises(TransportError, match=r"(?i)certificate") as caught:
            await transport.send(exchange)
        assert (caught.value.sent, caught.value.phase, exchange.sent_at) == (False, "connect", None)
        context.load_verify_locations(certificate / "cert.pem")
        with anyio.fail_after(3):
            assert (await transport.send(new_exchange())).status == 200


async def test_cancel_while_a_tunnel_is_opened_loses_no_slot(
    tunnel, secure, connect, certificate, new_exchange
) -> None:
    settings = {"base_url": secure.secure_url, "verify": str(certificate / "cert.pem"), "proxy": tunnel.url}
    async with aclosing(connect(max_connections=1, **settings)) as transport:
        for turns in range(60):
            async with anyio.create_task_group() as group:
                group.start_soon(transport.send, new_exchange())
                for _ in range(turns):
                    await anyio.lowlevel.checkpoint()
                group.cancel_scope.cancel()
            await transport._client._transport._raw.aclose() if turns % 2 else None
        with anyio.fail_after(3):
            assert (await transport.send(new_exchange())).status == 200


async def test_connection_is_used_again(server, connect, new_exchange) -> None:
    peers = []
    server.handler = lambda sock, _: (
        peers.append(sock.getpeername()),
        type(server).handler(server, sock, _),
    )[1]
    async with aclosing(connect()) as transport:
        for _ in range(3):
            await transport.send(new_exchange())
    assert len(peers) == 3
    assert len(set(peers)) == 1


async def test_connection_the_server_closed_meanwhile_is_not_used(
    server, connect, wire_answer, new_exchange
) -> None:
    server.handler = say(wire_answer())  # keep-alive promised, then closed
    async with aclosing(connect()) as transport:
        for _ in range(5):
            assert (await transport.send(new_exchange())).status == 200
            pool = transport._client._transport._raw._pool
            with anyio.fail_after(5):
                while not all(one.has_expired() for one in pool.connections):  # noqa: ASYNC110
                    await anyio.sleep(0.005)


async def test_no_more_connections_than_allowed(server, connect, wire_answer, new_exchange) -> None:
    peers = set()
    gate = threading.Barrier(3, timeout=5)

    def handler(sock, _):
        peers.add(sock.getpeername())
        gate.wait()
        sock.sendall(wire_answer())

    server.handler = handler
    async with aclosing(connect(max_connections=3)) as transport, anyio.create_task_group() as group:
        for _ in range(12):
            group.start_soon(transport.send, new_exchange())
    assert len(peers) == 3
    assert len(server.heads) == 12


class Recorded(httpcore2.AsyncNetworkStream):
    """A stream that records when bytes go over it, and answers from a list."""

    def __init__(self, steps: list[str], answers: list[bytes]) -> None:
        self._steps = steps
        self._answers = answers

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if buffer:
            self._steps.append(f"write {buffer.split()[0].decode()}")

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._steps.append("read")
        return self._answers.pop(0)

    async def start_tls(self, *_: Any, **__: Any) -> httpcore2.AsyncNetworkStream:
        return self

    async def aclose(self) -> None:
        pass

    def get_extra_info(self, info: str) -> Any:
        return None


class Network(httpcore2.AsyncNetworkBackend):
    """A network of which each connection is recorded."""

    def __init__(self, steps: list[str], answers: list[bytes]) -> None:
        self._stream = Recorded(steps, answers)

    async def connect_tcp(self, *_: Any, **__: Any) -> httpcore2.AsyncNetworkStream:
        return self._stream


OPENED = ["connection.connect_tcp.started", "connection.connect_tcp.complete"]
SECURED = ["start_tls.started", "start_tls.complete"]
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def exchanged(method: str) -> list[str]:
    """Return the steps of one request up to its answer."""
    return [
        f"{method} http11.send_request_headers.started",
        f"write {method}",
        "http11.send_request_headers.complete",
        f"{method} http11.send_request_body.started",
        "http11.send_request_body.complete",
        f"{method} http11.receive_response_headers.started",
        "read",
        "http11.receive_response_headers.complete",
    ]


@pytest.mark.parametrize(
    ("scheme", "proxy", "answers", "expected"),
    [
        ("http", None, [ANSWER], [*OPENED, *exchanged("GET")]),
        (
            "https",
            None,
            [ANSWER],
            [*OPENED, *(f"connection.{step}" for step in SECURED), *exchanged("GET")],
        ),
        (
            "https",
            httpcore2.Proxy("http://proxy:1"),
            [b"HTTP/1.1 200 Go\r\n\r\n", ANSWER],
            [*OPENED, *exchanged("CONNECT"), *(f"proxy.{step}" for step in SECURED), *exchanged("GET")],
        ),
    ],
    ids=["http", "https", "tunnel"],
)
async def test_the_trace_of_the_pool_tells_what_was_sent(
    scheme: str, proxy: Any, answers: list[bytes], expected: list[str]
) -> None:
    """Each event by its name and place: whether a request counts as sent depends on them.

    The first byte goes out between the two events of the head, and nothing goes out before them; the request
    of a tunnel has a method of its own, and the events of TLS and connecting have no request of HTTP/1.1.
    """
    steps: list[str] = []

    async def trace(event: str, info: dict[str, Any]) -> None:
        if "receive_response_body" in event or "response_closed" in event:
            return
        with_request = event.startswith("http11") and event.endswith("started")
        steps.append(f"{info['request'].method.decode()} {event}" if with_request else event)

    network = Network(steps, list(answers))
    async with httpcore2.AsyncConnectionPool(network_backend=network, proxy=proxy) as pool:
        response = await pool.request("GET", f"{scheme}://api.example.com/", extensions={"trace": trace})
    assert response.content == b"{}"
    assert steps == expected
    assert set(_PHASES) <= {step.rpartition(" ")[2] for step in steps}
