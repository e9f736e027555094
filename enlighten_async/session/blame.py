"""Of several failures, the one error that reaches the caller."""

from __future__ import annotations

from collections.abc import Sequence

from enlighten_async.errors import EnlightenError
from enlighten_async.models.receipt import Receipt


def blamed(failures: Sequence[EnlightenError], partial: object, receipt: Receipt) -> EnlightenError:
    """Return the error to raise: the first that ended the query, or else the first of all.

    Args:
        failures: all of them, in the order in which they came; at least one.
        partial: what did arrive.
        receipt: what was spent.
    """
    error = next((failure for failure in failures if failure.ends_query), failures[0])
    error.partial = partial
    error.causes = (error, *(failure for failure in failures if failure is not error))
    error.receipt = receipt
    return error
