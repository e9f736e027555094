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


def _pairs(pairs: Iterable[tuple[str, str | Secret]]) -> tuple[tuple[str, Secret], ...]:
    return tuple((name, Secret(value)) for name, value in pairs)


@define(frozen=True, slots=False)
class Credentials:
    """What goes with a request below the HTTP client, for the configured host only.

    Attributes:
        params: query parameters, in order (v2: `key` and `user_id`).
        headers: header fields, in order.
    """

    params: tuple[tuple[str, Secret], ...] = field(default=(), converter=_pairs)
    headers: tuple[tuple[str, Secret], ...] = field(default=(), converter=_pairs)
    redactor: Redactor = field(init=False, repr=False, eq=False)
    """Masks these credentials."""

    @redactor.default
    def _redactor(self) -> Redactor:
        return Redactor(self.secrets)

    @property
    def secrets(self) -> tuple[str, ...]:
        """All values to mask; of a header such as `Bearer abc` also its last word."""
        values = [secret.reveal() for _, secret in (*self.params, *self.headers)]
        values += [secret.reveal().rpartition(" ")[2] for _, secret in self.headers]
        return tuple(dict.fromkeys(filter(None, values)))

    def add_to(self, target: bytes) -> bytes:
        """Return the path and query of a request with the query parameters added."""
        if not self.params:
            return target
        return target + (b"&" if b"?" in target else b"?") + self._query.reveal().encode("ascii")

    @cached_property
    def header_fields(self) -> list[tuple[bytes, Secret]]:
        """The header fields by their names on the wire."""
        return [(name.encode("ascii"), secret) for name, secret in self.headers]

    @cached_property
    def _query(self) -> Secret:
        return Secret(urlencode([(name, secret.reveal()) for name, secret in self.params]))
