"""Credentials: masked wherever they are shown, and added to a request at the last moment."""

from __future__ import annotations

import hmac
import html
import json
import logging
import re
import threading
import weakref
from collections.abc import Iterable
from functools import cached_property
from typing import NoReturn
from urllib.parse import quote, urlencode

from attrs import define, field

MASK = "***"

MIN_IN_TEXT = 4
"""Secrets shorter than this are not masked: every other word would be."""

MIN_IN_BODY = 8
"""Secrets shorter than this are left in bodies: masking "1234" there would spoil readings."""

LOGGERS = (
    "asyncio",
    "httpx",
    *(
        f"{library}{part}"
        for library in ("httpcore2", "httpcore")
        for part in ("", ".connection", ".http11", ".http2", ".proxy", ".socks")
    ),
)
"""Filters are not inherited by child loggers, so each one is named."""

_live: weakref.WeakSet[Redactor] = weakref.WeakSet()
_live_lock = threading.RLock()  # a finalizer that logs may run while it is held


class Redactor:
    """Masks secrets as they are, URL-encoded (once or more often), JSON- or HTML-escaped.

    While it lives, the loggers of `LOGGERS` mask its secrets too (see `install_filter`).

    Args:
        secrets: the values to mask; those shorter than `MIN_IN_TEXT` characters are not.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        known = {secret for secret in secrets if len(secret) >= MIN_IN_TEXT}
        self._needles = tuple(_Needle(secret) for secret in sorted(known, key=len, reverse=True))
        with _live_lock:
            _live.add(self)

    def __repr__(self) -> str:
        return f"<Redactor of {len(self._needles)} secrets>"

    def text(self, text: str) -> str:
        """Return the text with the secrets masked."""
        for needle in self._needles:
            text = needle.mask_text(text)
        return text

    def body(self, body: bytes) -> bytes:
        """Return the bytes with the secrets masked that have at least `MIN_IN_BODY` characters."""
        for needle in self._needles:
            body = needle.mask_body(body)
        return body


class _Needle:
    """One secret and how to find it. Compiled only when something looks like it."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        # No encoding touches letters and digits, so their longest run must occur: a fast first look.
        self._run = max(re.split(r"[^0-9A-Za-z]+", secret), key=len)
        self._run_bytes = self._run.encode()

    def mask_text(self, text: str) -> str:
        return self._pattern.sub(MASK, text) if self._run in text else text

    def mask_body(self, body: bytes) -> bytes:
        if len(self._secret) < MIN_IN_BODY or self._run_bytes not in body:
            return body
        return self._body_pattern.sub(MASK.encode(), body)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile("".join(map(_any_form, self._secret)))

    @cached_property
    def _body_pattern(self) -> re.Pattern[bytes]:
        pattern = self._pattern.pattern
        if self._secret.isdigit():
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
    """Masks the secrets of all live redactors in a record; drops none."""

    def filter(self, record: logging.LogRecord) -> bool:
        with _live_lock:
            redactors = tuple(_live)
        if redactors:
            _mask_record(record, redactors)
        return True


def _mask_record(record: logging.LogRecord, redactors: tuple[Redactor, ...]) -> None:
    message = record.getMessage()
    masked = _mask(message, redactors)
    if masked != message:
        record.msg, record.args = masked, ()
    if record.exc_info and not record.exc_text:
        text = logging.Formatter().formatException(record.exc_info)
        if _mask(text, redactors) != text:
            # Handlers that print frames themselves would find the secret again.
            record.exc_text, record.exc_info = _mask(text, redactors), None
    elif record.exc_text:
        record.exc_text = _mask(record.exc_text, redactors)
    if record.stack_info:
        record.stack_info = _mask(record.stack_info, redactors)


def _mask(text: str, redactors: tuple[Redactor, ...]) -> str:
    for redactor in redactors:
        text = redactor.text(text)
    return text


_filter = _MaskingFilter()


def install_filter() -> None:
    """Put the masking filter on the loggers of the HTTP libraries; doing so again changes nothing."""
    for name in LOGGERS:
        logging.getLogger(name).addFilter(_filter)


class Secret:
    """A text that does not show itself: not in `repr`, `str`, `format`, nor in a pickle.

    Args:
        value: the text; another secret is taken for what it holds.
    """

    __slots__ = ("__value",)

    def __init__(self, value: str | Secret) -> None:
        self.__value = value.reveal() if isinstance(value, Secret) else value

    def reveal(self) -> str:
        """Return the text itself."""
        return self.__value

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
        raise TypeError("a secret is not pickled: hand over where to read it from instead")


_PLAIN = frozenset({"grant_type", "redirect_uri"})
"""Fields of a form that are no secrets: masking "refresh_token" would spoil every text that speaks of one."""

_ENTITY = frozenset({b"content-length", b"content-type"})


def _pairs(pairs: Iterable[tuple[str, str | Secret]]) -> tuple[tuple[str, Secret], ...]:
    return tuple((name, Secret(value)) for name, value in pairs)


@define(frozen=True, slots=False)
class Credentials:
    """What goes with a request below the HTTP client, for the configured host only.

    Attributes:
        params: query parameters, in order (v2: `key` and `user_id`).
        headers: header fields, in order.
        form: when not empty, these fields are the request's body, in place of its own.
        masks_body: whether they are masked in the answer's body too. An answer that brings new secrets
            (a token that may equal the one sent) must come as it is, and be kept nowhere.
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
        """All values to mask; of a header such as `Bearer abc` also its last word."""
        form = [pair for pair in self.form if pair[0] not in _PLAIN]
        values = [secret.reveal() for _, secret in (*self.params, *self.headers, *form)]
        values += [secret.reveal().rpartition(" ")[2] for _, secret in self.headers]
        return tuple(dict.fromkeys(filter(None, values)))

    def add_to(self, target: bytes) -> bytes:
        """Return the path and query of a request with the query parameters added."""
        if not self.params:
            return target
        return target + (b"&" if b"?" in target else b"?") + self._query.reveal().encode("ascii")

    def add_fields(self, fields: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """Return the header fields of a request with the credentials' own added, and those of the form."""
        if self.form:
            length = str(len(self._encoded_form.reveal())).encode()
            fields = [pair for pair in fields if pair[0].lower() not in _ENTITY]
            fields += [
                (b"Content-Type", b"application/x-www-form-urlencoded"),
                (b"Content-Length", length),
            ]
        if not self.headers:
            return fields
        return fields + [(name, secret.reveal().encode()) for name, secret in self._fields]

    def body_for(self, body: bytes) -> bytes:
        """Return what a request sends along: the form, if there is one, else its own body."""
        return self._encoded_form.reveal().encode("ascii") if self.form else body

    @cached_property
    def _fields(self) -> list[tuple[bytes, Secret]]:
        return [(name.encode("ascii"), secret) for name, secret in self.headers]

    @cached_property
    def _encoded_form(self) -> Secret:
        return Secret(urlencode([(name, secret.reveal()) for name, secret in self.form]))

    @cached_property
    def _query(self) -> Secret:
        return Secret(urlencode([(name, secret.reveal()) for name, secret in self.params]))
