"""All that an error, or a log, shows of itself."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator


class Everything(logging.Handler):
    """Keeps what every logger says, with all a handler could make of it."""

    def __init__(self) -> None:
        super().__init__(0)
        self.shown: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        self.shown.append(f"{self.format(record)} {record.__dict__}")


def family(error: BaseException | None, seen: set[int]) -> Iterator[BaseException]:
    """Yield an error and all that hang on it."""
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    yield error
    yield from family(error.__cause__, seen)
    yield from family(error.__context__, seen)
    for inner in getattr(error, "exceptions", ()):
        yield from family(inner, seen)


def look_into(value: object) -> str:
    """Show a value and, where it is not of these tests, its fields."""
    fields = "" if "tests" in type(value).__module__ else getattr(value, "__dict__", "")
    return f"{value!r} {fields}"


def frames(error: BaseException) -> str:
    """Show everything of an error: texts, fields, and the locals of all its frames."""
    shown = []
    for one in family(error, set()):
        lines = traceback.TracebackException.from_exception(one, capture_locals=True).format()
        shown += [repr(one), str(one), repr(one.args), repr(vars(one)), *lines]
        tb = one.__traceback__
        while tb is not None:
            shown += map(look_into, tb.tb_frame.f_locals.values())
            tb = tb.tb_next
    return "\n".join(shown)
