"""How a method of the client becomes a query: by what its dialect has for the method's name."""

from __future__ import annotations

from typing import Any, TypeVar

from enlighten_async.errors import InputError, NotSupported
from enlighten_async.session import Draft, Options, Query, Session

I = TypeVar("I")  # noqa: E741 - an item
T = TypeVar("T")


class Asking:
    """What the methods of the client have in common."""

    _session: Session
    _options: Options

    def _ask(self, method: str, *args: object, **options: object) -> Query[Any, Any]:
        """Return the query of a method.

        Raises:
            InputError: an argument is wrong; `NotSupported`: this version of the API has no such thing.
        """
        dialect = self._session.dialect
        draft = dialect.endpoints.get(method)
        if draft is None:
            advice = dialect.absent.get(method, "only v4 has it: connect with EnlightenClient.v4(...)")
            raise NotSupported(f"{dialect.version} of the API has no {method}: {advice}")
        return self._query(draft(*args, **options))

    def _query(self, draft: Draft[Any, I, T]) -> Query[I, T]:
        return Query(self._session, self._options, draft)


def number(system_id: object) -> int:
    """Return a system id as a number; the service sends it as one, users keep it as text too.

    Raises:
        InputError: it is not a positive whole number.
    """
    text = str(system_id)
    if isinstance(system_id, bool) or not isinstance(system_id, int | str) or not text.isascii():
        raise InputError(f"system_id must be a number such as 1765, not {system_id!r}")
    if not text.isdigit() or not 0 < int(text[:20]) < 2**63:
        raise InputError(f"system_id must be a positive whole number such as 1765, not {system_id!r}")
    return int(text)
