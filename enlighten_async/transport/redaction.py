"""Known secrets are masked in every text and body that is kept, and in what the HTTP libraries log."""

from __future__ import annotations

import html
import json
import logging
import re
import threading
import weakref
from collections.abc import Iterable
from functools import cached_property
from urllib.parse import quote

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
