"""What proves who is asking: masked wherever it is shown, and added to a request at the last moment."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from functools import cached_property
from typing import NoReturn
from urllib.parse import urlencode

from attrs import define, field

from enlighten_async.transport.redaction import MASK, Redactor


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
