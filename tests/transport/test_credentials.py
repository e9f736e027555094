"""Credentials are masked in every form, and are nowhere but in the bytes to the configured host."""

# ruff: noqa: D101, D102, D103  (names of tests and of what they bring are sentences)

from __future__ import annotations

import base64
import copy
import gc
import html
import json
import logging
import pickle
import traceback
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus

import anyio
import anyio.lowlevel
import attrs
import httpx
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from enlighten_async.clock import SystemClock
from enlighten_async.errors import TransportError
from enlighten_async.transport import (
    Credentials,
    Exchange,
    Redactor,
    Secret,
    Transport,
)
from enlighten_async.transport.credentials import LOGGERS, install_filter, masked
from enlighten_async.wire import Request
from tests.transport.tracebacks import frames

VALUE = 's3cr3t/with +all&the="trouble"\\ é'


SECRETS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=8, max_size=40)


def test_secret_is_masked_in_every_text() -> None:
    secret = Secret(VALUE)
    for text in (repr(secret), str(secret), f"{secret}", f"{secret:>9}", repr([secret]), "%s" % secret):  # noqa: UP031
        assert "s3cr3t" not in text
        assert "***" in text


def test_secret_reveals_itself_only_when_asked() -> None:
    assert Secret(VALUE).reveal() == VALUE
    assert Secret(Secret(VALUE)).reveal() == VALUE
    assert not hasattr(Secret(VALUE), "__dict__")


def test_secret_is_compared_by_value() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("é") != "é"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
    assert not Secret("")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_secret_is_not_pickled(protocol: int) -> None:
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(Secret(VALUE), protocol)
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(Credentials(params=[("key", VALUE)]), protocol)


def test_secret_is_not_written_as_json() -> None:
    with pytest.raises(TypeError):
        json.dumps(Secret(VALUE))


def test_secret_is_copied_as_itself() -> None:
    secret = Secret(VALUE)
    assert copy.copy(secret) is secret
    assert copy.deepcopy([secret])[0] is secret


def test_credentials_hold_secrets_only() -> None:
    credentials = Credentials(
        params=[("key", VALUE)], headers=[("Authorization", Secret("Bearer t0k3n-abc"))]
    )
    assert credentials.params == (("key", Secret(VALUE)),)
    assert credentials.secrets == (VALUE, "Bearer t0k3n-abc", "t0k3n-abc")
    shown = f"{credentials} {attrs.asdict(credentials)} {vars(credentials)}"
    credentials.add_to(b"/x", [], b"")
    shown += f"{vars(credentials)}"
    assert "s3cr3t" not in shown
    assert "t0k3n" not in shown
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        credentials.params = ()  # type: ignore[misc]


def test_a_form_is_masked_but_for_what_everybody_knows() -> None:
    form = [("grant_type", "refresh_token"), ("refresh_token", "t0k3n-abc"), ("redirect_uri", "https://x")]
    credentials = Credentials(form=form)
    assert credentials.secrets == ("t0k3n-abc",)
    _, headers, body = credentials.add_to(b"/x", [(b"Host", b"x"), (b"content-length", b"0")], b"{}")
    assert body.startswith(b"grant_type=refresh_token&refresh_token=t0k3n-abc&")
    assert dict(headers)[b"Host"] == b"x"
    assert (b"content-length", b"0") not in headers
    shown = f"{credentials} {attrs.asdict(credentials)} {vars(credentials)}"
    assert "t0k3n" not in shown
    assert Credentials().add_to(b"/x", [], b"{}") == (b"/x", [], b"{}")


def test_credentials_are_added_behind_the_other_parameters() -> None:
    credentials = Credentials(params=[("key", VALUE), ("user_id", "u")])
    for target, start in ((b"/a?b=c", b"/a?b=c&key="), (b"/a", b"/a?key=")):
        added, _, _ = credentials.add_to(target, [], b"")
        assert added.startswith(start)
        assert dict(parse_qsl(added.decode().partition("?")[2]))["key"] == VALUE
    assert Credentials().add_to(b"/a?b", [], b"") == (b"/a?b", [], b"")


def test_equal_credentials_are_equal() -> None:
    assert Credentials(params=[("key", "abcd")]) == Credentials(params=[("key", "abcd")])
    assert Credentials(params=[("key", "abcd")]) != Credentials(params=[("key", "abce")])


FORMS = {
    "plain": str,
    "quote": quote,
    "quote all": lambda s: quote(s, safe=""),
    "quote_plus": quote_plus,
    "lower-case quote": lambda s: quote(s, safe="").lower(),
    "quoted twice": lambda s: quote(quote(s, safe=""), safe=""),
    "json": lambda s: json.dumps(s)[1:-1],
    "json, raw": lambda s: json.dumps(s, ensure_ascii=False)[1:-1],
    "json, slashes": lambda s: json.dumps(s)[1:-1].replace("/", "\\/"),
    "repr": lambda s: repr(s)[1:-1],
    "html": html.escape,
}


@pytest.mark.parametrize("form", FORMS)
def test_known_secret_is_masked_in_every_form(form: str) -> None:
    value = VALUE.lower()
    shown = FORMS[form](value)
    redactor = Redactor([value])
    assert redactor.text(f"<{shown}> and {shown}") == "<***> and ***"
    assert redactor.body(f"<{shown}>".encode()) == b"<***>"


@example(value="00000000&", form="html")
@example(value="00000000\\", form="json")
@example(value="00000000\U00012544", form="repr")
@given(value=SECRETS, form=st.sampled_from(sorted(set(FORMS) - {"lower-case quote"})))
def test_any_secret_is_masked_in_every_form(value: str, form: str) -> None:
    shown = FORMS[form](value)
    redactor = Redactor([value])
    assert redactor.text(f"/{shown}/") == "/***/"
    assume(not value.isdigit())
    assert redactor.body(f"/{shown}/".encode()) == b"/***/"


@given(st.text(), st.binary())
def test_other_text_is_left_alone(text: str, body: bytes) -> None:
    redactor = Redactor(["c4n4ry-c4n4ry"])
    assume("c4n4ry" not in text)
    assert redactor.text(text) is text
    assert redactor.body(body) is body


@pytest.mark.parametrize(
    ("secrets", "text", "shown"),
    [
        (["abcdefgh", "abcdefgh-ijkl"], "abcdefgh-ijkl abcdefgh", "*** ***"),
        (["cd-efghij", "abcd-efghij-klmn"], "<abcd-efghij-klmn>", "<***>"),
        (["abcd-efgh", "efgh-ijkl"], "<abcd-efgh-ijkl>", "<***>"),
        (["abcd-efgh", "ijkl-mnop"], "abcd-efghijkl-mnop", "******"),
    ],
    ids=["at the start", "inside", "overlapping", "side by side"],
)
def test_secrets_that_share_characters_are_masked_as_a_whole(
    secrets: list[str], text: str, shown: str
) -> None:
    """Also where they belong to several redactors, in whichever order."""
    for ordered in (secrets, secrets[::-1]):
        assert Redactor(ordered).text(text) == shown
        assert Redactor(ordered).body(text.encode()) == shown.encode()
        assert masked(text, *(Redactor([secret]) for secret in ordered)) == shown


def test_logs_mask_a_secret_that_contains_one_of_another_client() -> None:
    """A token may hold by chance what another client's user id is."""
    install_filter()
    logger, log = logging.getLogger("httpx"), Lines()
    logger.addHandler(log)
    token = "eyJhbGciOi.xIk0Yxx.sig"
    clients = [Redactor([secret]) for secret in ("Ik0Y", token, "xx.s")]
    try:
        logger.warning("location: ?token=%s", token)
    finally:
        logger.removeHandler(log)
    assert len(clients) == 3
    assert "?token=***" in log.lines[0]
    assert "eyJ" not in log.lines[0]


def test_short_secrets_spoil_nothing() -> None:
    redactor = Redactor(["", "abc", "1234", "12345678"])
    assert redactor.text("abc 1234") == "abc ***"
    assert redactor.body(b'{"wh": 1234, "at": 1123456789}') == b'{"wh": 1234, "at": 1123456789}'
    assert redactor.body(b'{"user": "12345678"}') == b'{"user": "***"}'


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{self.format(record)} {record.__dict__}")


@pytest.mark.parametrize("name", LOGGERS)
def test_libraries_logs_are_masked(name: str) -> None:
    install_filter()
    install_filter()
    logger, handler = logging.getLogger(name), Lines()
    assert len(logger.filters) == 1
    live = Redactor(["c4n4ry/c4n4ry"])
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.DEBUG)
    try:
        logger.debug("at %s", "c4n4ry%2Fc4n4ry")
        logger.debug("with %d percent", 5)
        try:
            raise ValueError("no c4n4ry/c4n4ry")  # noqa: TRY301
        except ValueError:
            logger.debug("failed", exc_info=True, stack_info=True)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    assert "c4n4ry/" not in "".join(handler.lines)
    assert "c4n4ry%" not in "".join(handler.lines)
    assert "at ***" in handler.lines[0]
    assert "with 5 percent" in handler.lines[1]
    assert "ValueError: no ***" in handler.lines[2]
    assert live.text("") == ""


def test_every_logger_of_the_http_libraries_is_known() -> None:
    names = [name for name in logging.root.manager.loggerDict if name.split(".")[0] in {"httpcore2", "httpx"}]
    assert "httpcore2.http11" in names
    assert set(names) <= set(LOGGERS) | {"httpcore2.http2"}


def test_filter_forgets_who_is_gone() -> None:
    install_filter()
    gone = Redactor(["c4n4ry-gone"])
    record = logging.makeLogRecord({"msg": "c4n4ry-gone"})
    assert logging.getLogger("httpx").filter(record)
    assert record.getMessage() == "***"
    del gone
    record = logging.makeLogRecord({"msg": "c4n4ry-gone"})
    logging.getLogger("httpx").filter(record)
    assert record.getMessage() == "c4n4ry-gone"


def test_locals_in_a_traceback_show_no_secret() -> None:
    credentials = Credentials(params=[("key", "c4n4ry-c4n4ry")])
    try:
        assert credentials is None
    except AssertionError as error:
        shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert "credentials = Credentials(params=" in shown
    assert "c4n4ry" not in shown.replace('"c4n4ry-c4n4ry")])', "")


CANARY = "CANARY"  # in both secrets of the fixture, next to characters that are encoded


def echo_in_location(sock: Any, head: bytes) -> bool:
    target = head.split(b" ")[1]
    sock.sendall(b"HTTP/1.1 302 Found\r\nLocation: http://x" + target + b"\r\nContent-Length: 0\r\n\r\n")
    return False


def echo_in_status(sock: Any, head: bytes) -> bool:
    sock.sendall(b"garbage " + head.split(b" ")[1] + b"\r\n\r\n")
    return False


def echo_in_reason(sock: Any, head: bytes) -> bool:
    sock.sendall(b"HTTP/1.1 500 no " + head.split(b" ")[1] + b"\r\nContent-Length: 0\r\n\r\n")
    return False


def echo_in_header(sock: Any, head: bytes) -> bool:
    target = head.split(b" ")[1]
    sock.sendall(b"HTTP/1.1 200 OK\r\nBad Header" + target + b": 1\r\nContent-Length: 0\r\n\r\n")
    return False


def echo_in_types(sock: Any, head: bytes) -> bool:
    target = head.split(b" ")[1]
    sock.sendall(
        b"HTTP/1.1 200 OK\r\nContent-Type: "
        + target
        + b"\r\nDate: "
        + target
        + b"\r\nSet-Cookie: "
        + target
        + b"\r\nContent-Length: 0\r\n\r\n"
    )
    return False


def echo_in_encoding(sock: Any, head: bytes) -> bool:
    target = head.split(b" ")[1]
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Encoding: " + target + b"\r\nContent-Length: 0\r\n\r\n")
    return False


def echo_in_chunk(sock: Any, head: bytes) -> bool:
    target = head.split(b" ")[1]
    sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + target + b"\r\n")
    return False


def echo_in_body(sock: Any, head: bytes) -> bool:
    page = b"<p>no " + head.split(b" ")[1] + b" nor k3y/CANARY+7f8e== nor k3y\\/CANARY+7f8e==</p>"
    sock.sendall(b"HTTP/1.1 401 No\r\nContent-Length: %d\r\n\r\n" % len(page) + page)
    return False


def short(sock: Any, head: bytes) -> bool:
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" + head.split(b" ")[1])
    return False


def drop(sock: Any, head: bytes) -> bool:
    return False


def plain(sock: Any, head: bytes) -> None:
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")


SERVERS = [
    plain, echo_in_location, echo_in_status, echo_in_reason, echo_in_header, echo_in_types, echo_in_encoding,
    echo_in_chunk, echo_in_body, short, drop,
]  # fmt: skip


@pytest.mark.parametrize("handler", SERVERS)
async def test_nothing_shows_the_secrets(handler, log, server, connect, credentials, exchange) -> None:
    server.handler = handler
    shown = ""
    async with aclosing(connect()) as transport:
        try:
            response = await transport.send(exchange)
            shown += f"{response!r} {response.body!r} {pickle.dumps(response)!r}"
        except Exception as error:  # noqa: BLE001
            shown += frames(error) + repr(pickle.dumps(error))
        shown += (
            f"{transport!r} {vars(transport)} {vars(transport._client)} {credentials!r} {vars(credentials)}"
        )
    assert CANARY in server.heads[0].decode()
    assert CANARY.lower() not in shown.lower()
    assert log
    assert CANARY.lower() not in "".join(log).lower()


def echo_the_form(sock: Any, _: bytes) -> bool:
    sock.sendall(b"HTTP/1.1 400 No\r\nContent-Type: c0de/CANARY+7f8e==\r\nContent-Length: 0\r\n\r\n")
    return False


@pytest.mark.parametrize("handler", [plain, echo_the_form, echo_in_status, short, drop])
async def test_nothing_shows_a_form(handler, log, server, connect) -> None:
    server.handler = handler
    ask: Request[Any] = Request("token", "/token", (), lambda _: None, method="POST")
    form = Credentials(form=[("grant_type", "authorization_code"), ("code", "c0de/CANARY+7f8e==")])
    shown = ""
    async with aclosing(connect()) as transport:
        try:
            response = await transport.send(Exchange(ask, form))
            shown += f"{response!r} {response.content_type}"
        except Exception as error:  # noqa: BLE001
            shown += frames(error) + repr(pickle.dumps(error))
        shown += f"{transport!r} {vars(transport)} {vars(transport._client)} {form!r} {vars(form)}"
    assert CANARY in server.bodies[0].decode()
    assert log
    assert CANARY.lower() not in (shown + "".join(log)).lower()


def test_every_client_installs_the_filter(connect) -> None:
    loggers = [logging.getLogger(name) for name in LOGGERS]
    for logger in loggers:
        logger.filters.clear()
    connect()
    assert [len(logger.filters) for logger in loggers] == [1] * len(loggers)


async def test_refused_and_hanging_connections(log, server, connect, new_exchange) -> None:
    server.handler = lambda *_: server.stopped.wait()
    shown = ""
    async with aclosing(connect(timeout=0.1)) as transport:
        for stop in (lambda: None, server.stop):
            stop()
            try:
                await transport.send(new_exchange())
            except Exception as error:  # noqa: BLE001
                shown += frames(error)
    assert "no whole answer" in shown
    assert CANARY.lower() not in (shown + "".join(log)).lower()


async def test_cancel_carries_no_secret(log, server, connect, question, exchange) -> None:
    server.handler = lambda *_: server.stopped.wait()
    shown = ""
    async with aclosing(connect()) as transport:
        with anyio.move_on_after(0.1) as scope:
            try:
                await transport.send(exchange)
            except BaseException as error:
                shown = frames(error)
                raise
    assert scope.cancelled_caught
    assert "question" in shown
    assert CANARY.lower() not in (shown + "".join(log)).lower()


async def test_cancel_keeps_nothing_of_what_was_handled_below(question, exchange) -> None:
    class Breaking(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            try:
                raise OSError("broken k3y/CANARY+7f8e==")  # noqa: TRY301
            except OSError:
                await anyio.sleep_forever()
            yield b""

    transport = Transport(
        base_url="https://api.example.com",
        clock=SystemClock(),
        max_connections=1,
        transport=httpx.MockTransport(lambda _: httpx.Response(200, stream=Breaking())),
    )
    shown = ""
    async with aclosing(transport):
        with anyio.move_on_after(0.05):
            try:
                await transport.send(exchange)
            except BaseException as error:
                shown = frames(error)
                raise
    assert "question" in shown
    assert CANARY.lower() not in shown.lower()


async def test_error_while_another_is_handled_keeps_that_one(connect, server, exchange) -> None:
    server.stop()
    async with aclosing(connect()) as transport:
        mine = ValueError("mine")
        with pytest.raises(TransportError) as caught:  # noqa: PT012
            try:
                raise mine
            except ValueError:
                await transport.send(exchange)
    assert caught.value.__context__ is mine


async def test_nothing_of_a_failed_request_is_kept_alive(server, connect, exchange) -> None:
    server.handler = short
    async with aclosing(connect()) as transport:
        with pytest.raises(Exception, match="no whole answer"):
            await transport.send(exchange)
        gc.collect()
        held = [one for one in gc.get_objects() if isinstance(one, httpx.Request)]
    assert [one for one in held if CANARY in str(one.url)] == []


async def test_users_transport_hears_the_secrets_and_nobody_else(log, exchange) -> None:
    heard = []

    def handler(request: httpx.Request) -> httpx.Response:
        heard.append(str(request.url))
        return httpx.Response(403, text=f"no {request.url}", headers={"location": str(request.url)})

    shown = ""
    transport = Transport(
        base_url="https://api.example.com",
        clock=SystemClock(),
        max_connections=1,
        transport=httpx.MockTransport(handler),
    )
    async with aclosing(transport):
        response = await transport.send(exchange)
        shown += f"{response!r} {response.body!r}"
    assert CANARY in heard[0]
    assert CANARY.lower() not in (shown + "".join(log)).lower()


async def test_proxy_password_is_a_secret_too(log, server, connect, exchange) -> None:
    def handler(sock: Any, head: bytes) -> bool:
        sock.sendall(b"HTTP/1.1 407 " + head.replace(b"\r\n", b" ") + b"\r\n\r\n")
        return False

    server.handler = handler
    proxy = f"http://somebody:pr0xy%2Fpass@127.0.0.1:{server.port}"
    async with aclosing(connect(base_url="https://api.example.com", proxy=proxy)) as transport:
        with pytest.raises(Exception, match="407") as caught:
            await transport.send(exchange)
    shown = frames(caught.value) + "".join(log)
    basic = base64.b64encode(b"somebody:pr0xy/pass")
    assert basic in server.heads[0]
    assert server.heads[0].startswith(b"CONNECT api.example.com:443 ")
    assert CANARY not in server.heads[0].decode()
    assert not caught.value.sent
    assert exchange.sent_at is None
    for secret in (basic.decode(), "pr0xy/pass", "somebody", CANARY):
        assert secret not in shown.replace(proxy, "")


def test_a_redactor_is_not_pickled() -> None:
    """It holds the secrets that it masks."""
    with pytest.raises(TypeError, match="a secret is not pickled"):
        pickle.dumps(Redactor(["0123456789abcdef"]))
