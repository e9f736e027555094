"""Credentials: masked wherever they are shown, and added to a request as the last step."""

from __future__ import annotations

import hmac
import html
import json
import logging
import os
import re
import sys
import threading
import weakref
from collections.abc import Iterable
from functools import cached_property
from itertools import chain
from typing import AnyStr, NoReturn, TypeAlias
from urllib.parse import quote, urlencode

from attrs import define, field

from enlighten_async.errors import MASK

MIN_TEXT_CHARS = 4
"""Shorter secrets are not masked: every other word would be."""

MIN_BODY_CHARS = 8
"""Shorter secrets are not masked in bodies: masking "1234" there would spoil readings."""

LOGGERS = (
    "asyncio",
    "httpx",
    *(
        f"{library}{part}"
        for library in ("httpcore2", "httpcore")
        for part in ("", ".connection", ".http11", ".http2", ".proxy", ".socks")
    ),
)
"""Loggers of the HTTP libraries. Child loggers do not inherit filters, so each logger is named."""

_live_redactors: weakref.WeakSet[Redactor] = weakref.WeakSet()
_live_lock = threading.RLock()  # reentrant: a finalizer that logs may run while the lock is held
if sys.platform != "win32":  # a child process inherits it as it is, and no thread that would release it
    os.register_at_fork(
        before=_live_lock.acquire, after_in_parent=_live_lock.release, after_in_child=_live_lock.release
    )


class Redactor:
    """Masks secrets: plain, URL-encoded (once or more often), JSON- or HTML-escaped.

    As long as a redactor exists, the loggers of `LOGGERS` mask its secrets too (see `install_filter`).

    Args:
        secrets: the values to mask; those shorter than `MIN_TEXT_CHARS` characters are not.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        known = {secret for secret in secrets if len(secret) >= MIN_TEXT_CHARS}
        self.patterns = tuple(map(_SecretPattern, known))
        self._in_bodies = [pattern for pattern in self.patterns if pattern.chars >= MIN_BODY_CHARS]
        with _live_lock:
            _live_redactors.add(self)

    def __repr__(self) -> str:
        return f"<Redactor of {len(self.patterns)} secrets>"

    def text(self, text: str) -> str:
        """Return the text with the secrets masked."""
        return masked(text, self)

    def body(self, body: bytes) -> bytes:
        """Return the bytes with the secrets masked that have at least `MIN_BODY_CHARS` characters."""
        found = [pattern.in_body.finditer(body) for pattern in self._in_bodies if pattern.run_bytes in body]
        return _replaced(body, found, MASK.encode()) if found else body


def masked(text: str, *redactors: Redactor) -> str:
    """Return the text with the secrets of several redactors masked.

    All secrets are looked for in the text as it came: once a secret is masked, another one that contains it,
    or overlaps it, would no longer be found.
    """
    patterns = [pattern for redactor in redactors for pattern in redactor.patterns]
    found = [pattern.in_text.finditer(text) for pattern in patterns if pattern.run in text]
    return _replaced(text, found, MASK) if found else text


def _replaced(text: AnyStr, found: Iterable[Iterable[re.Match[AnyStr]]], mask: AnyStr) -> AnyStr:
    """Return the text with a mask in place of every match, and one mask in place of those that overlap."""
    parts: list[AnyStr] = []
    end = 0
    for match in sorted(chain.from_iterable(found), key=lambda match: match.span()):
        if match.start() >= end:
            parts += [text[end : match.start()], mask]
        end = max(end, match.end())
    parts.append(text[end:])
    return text[:0].join(parts)


class _SecretPattern:
    """The patterns that find one secret, compiled when a text may contain the secret.

    Attributes:
        chars: the number of characters of the secret.
        run: the longest run of ASCII letters and digits in the secret. No encoding changes those, so a
            text without the run does not contain the secret: a test that is much faster than a pattern.
        run_bytes: the same as bytes.
    """

    def __init__(self, secret: str) -> None:
        self._secret = Secret(secret)
        self.chars = len(secret)
        self.run = max(re.split(r"[^0-9A-Za-z]+", secret), key=len)
        self.run_bytes = self.run.encode()

    @cached_property
    def in_text(self) -> re.Pattern[str]:
        return re.compile("".join(map(_any_form, self._secret.reveal())))

    @cached_property
    def in_body(self) -> re.Pattern[bytes]:
        pattern = self.in_text.pattern
        if self._secret.reveal().isdigit():
            # A numeric secret inside a longer number is a coincidence, and masking it spoils the number.
            pattern = rf"(?<![0-9]){pattern}(?![0-9])"
        return re.compile(pattern.encode())


def _any_form(char: str) -> str:
    """Return a pattern for one character in any encoding it may be echoed in."""
    if char.isascii() and char.isalnum():
        return char
    percent = quote(char, safe="") if quote(char, safe="") != char else f"%{ord(char):02X}"
    forms = [
        percent.replace("%", "%(?:25)*"),
        re.escape(json.dumps(char)[1:-1]),
        re.escape(rf"\u{ord(char):04x}"),
        re.escape(ascii(char)[1:-1]),
        re.escape(repr(char.encode())[2:-1]),  # parsers quote the bytes they choke on
        re.escape(f"\\{char}"),
        re.escape(html.escape(char)),
        f"&#(?:0*{ord(char)}|x0*{ord(char):x});",
    ]
    if char == " ":
        forms.append(r"\+")
    # The character itself comes last, or `&` and the backslash would be found in their own escapes.
    escaped = sorted({form for form in forms if form != re.escape(char)}, key=len, reverse=True)
    return f"(?i:{'|'.join([*escaped, re.escape(char)])})"


class _MaskingFilter(logging.Filter):
    """A filter that masks the secrets of all existing redactors in a record, and drops no record."""

    def filter(self, record: logging.LogRecord) -> bool:
        with _live_lock:
            redactors = tuple(_live_redactors)
        if redactors:
            _mask_record(record, redactors)
        return True


def _mask_record(record: logging.LogRecord, redactors: tuple[Redactor, ...]) -> None:
    message = record.getMessage()
    shown = masked(message, *redactors)
    if shown != message:
        record.msg, record.args = shown, ()
    if record.exc_info and not record.exc_text:
        text = logging.Formatter().formatException(record.exc_info)
        if (shown := masked(text, *redactors)) != text:
            # Without `exc_info`: handlers that format frames themselves would show the secret again.
            record.exc_text, record.exc_info = shown, None
    elif record.exc_text:
        record.exc_text = masked(record.exc_text, *redactors)
    if record.stack_info:
        record.stack_info = masked(record.stack_info, *redactors)


_filter = _MaskingFilter()


def install_filter() -> None:
    """Put the masking filter on the loggers of the HTTP libraries; doing so again changes nothing."""
    for name in LOGGERS:
        logging.getLogger(name).addFilter(_filter)


class Secret:
    """A text that `repr`, `str` and `format` mask, and that cannot be pickled.

    Args:
        value: the text, or another secret to copy.
    """

    __slots__ = ("__value",)

    def __init__(self, value: str | Secret) -> None:
        self.__value = value.reveal() if isinstance(value, Secret) else value

    def reveal(self) -> str:
        """Return the text itself."""
        return self.__value

    @property
    def is_visible_ascii(self) -> bool:
        """Whether it is a text of visible ASCII characters without spaces, as keys and ids are."""
        value: object = self.__value
        return isinstance(value, str) and re.fullmatch(r"[!-~]+", value) is not None

    def __repr__(self) -> str:
        return f"Secret({MASK!r})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __bool__(self) -> bool:
        return bool(self.__value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.__value.encode(), other.__value.encode())

    def __hash__(self) -> int:
        return hash(self.__value)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret is not pickled: pass on the place to read the secret from instead")


_PUBLIC_FIELDS = frozenset({"grant_type", "redirect_uri"})
"""Form fields whose values are no secrets: masking "refresh_token" would spoil every text about one."""

_BODY_HEADERS = frozenset({b"content-length", b"content-type"})

Headers: TypeAlias = list[tuple[bytes, bytes]]


def _pairs(pairs: Iterable[tuple[str, str | Secret]]) -> tuple[tuple[str, Secret], ...]:
    return tuple((name, Secret(value)) for name, value in pairs)


@define(frozen=True, slots=False)
class Credentials:
    """The secrets added to a request below the HTTP client, for the configured origin only.

    Attributes:
        params: query parameters, in order (v2: `key` and `user_id`).
        headers: header fields, in order.
        form: form fields; if there are any, they replace the request's own body.
        masks_body: whether the secrets are masked in the response's body too. A response that brings new
            secrets (a token that may equal the one sent) must stay unmasked, and must not be stored.
    """

    params: tuple[tuple[str, Secret], ...] = field(default=(), converter=_pairs)
    headers: tuple[tuple[str, Secret], ...] = field(default=(), converter=_pairs)
    form: tuple[tuple[str, Secret], ...] = field(default=(), converter=_pairs)
    masks_body: bool = True
    redactor: Redactor = field(init=False, repr=False, eq=False)
    """Masks these credentials."""

    @redactor.default
    def _redactor(self) -> Redactor:
        return Redactor(self.secrets)

    @property
    def secrets(self) -> tuple[str, ...]:
        """All values to mask; of a header such as `Bearer abc` also the last word."""
        form = [pair for pair in self.form if pair[0] not in _PUBLIC_FIELDS]
        values = [secret.reveal() for _, secret in (*self.params, *self.headers, *form)]
        values += [secret.reveal().rpartition(" ")[2] for _, secret in self.headers]
        return tuple(dict.fromkeys(filter(None, values)))

    def add_to(self, target: bytes, headers: Headers, body: bytes) -> tuple[bytes, Headers, bytes]:
        """Return a request's target (path and query), header fields and body with the credentials added."""
        if self.params:
            target += (b"&" if b"?" in target else b"?") + self._query.reveal().encode("ascii")
        if self.form:
            headers, body = self._with_form(headers)
        if self.headers:
            headers = headers + [(name, secret.reveal().encode()) for name, secret in self._header_fields]
        return target, headers, body

    def _with_form(self, headers: Headers) -> tuple[Headers, bytes]:
        body = self._encoded_form.reveal().encode("ascii")
        kept = [pair for pair in headers if pair[0].lower() not in _BODY_HEADERS]
        kept += [
            (b"Content-Type", b"application/x-www-form-urlencoded"),
            (b"Content-Length", str(len(body)).encode()),
        ]
        return kept, body

    @cached_property
    def _header_fields(self) -> list[tuple[bytes, Secret]]:
        return [(name.encode("ascii"), secret) for name, secret in self.headers]

    @cached_property
    def _encoded_form(self) -> Secret:
        return Secret(urlencode([(name, secret.reveal()) for name, secret in self.form]))

    @cached_property
    def _query(self) -> Secret:
        return Secret(urlencode([(name, secret.reveal()) for name, secret in self.params]))
