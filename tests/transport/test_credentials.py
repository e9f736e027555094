"""Secrets do not show themselves, and are found again in whatever form they are echoed."""

# ruff: noqa: D101, D102, D103  (names of tests and of what they bring are sentences)

from __future__ import annotations

import copy
import html
import json
import logging
import pickle
import traceback
from urllib.parse import parse_qsl, quote, quote_plus

import attrs
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from enlighten_async.transport import Credentials, Redactor, Secret
from enlighten_async.transport.credentials import LOGGERS, install_filter

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


def test_longer_secret_is_masked_before_the_one_inside_it() -> None:
    assert Redactor(["abcdefgh", "abcdefgh-ijkl"]).text("abcdefgh-ijkl abcdefgh") == "*** ***"


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
