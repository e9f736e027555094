"""All that a stranger may get to see of an error, and of what is logged."""

from __future__ import annotations

import logging
import pickle
import traceback
from collections.abc import Iterable

from enlighten_async import EnlightenError


def shown(error: BaseException) -> str:
    """Return all that a traceback printer which shows variables would show of an error."""
    seen: list[BaseException] = []
    todo: list[BaseException | None] = [error]
    while todo:
        link = todo.pop()
        if link is not None and link not in seen:
            seen.append(link)
            todo += [link.__cause__, link.__context__, *getattr(link, "causes", ())]
    text = ""
    for link in seen:
        picture = traceback.TracebackException.from_exception(link, capture_locals=True)
        text += "".join(picture.format()) + repr(link) + str(vars(link))
        if isinstance(link, EnlightenError):
            text += repr(pickle.dumps(link))
    return text


def shown_inside(error: BaseException, file: str) -> str:
    """Return the same without the outer frames, which are of this file: the caller knows the secrets."""
    inside = error.__traceback__
    while inside is not None and inside.tb_frame.f_code.co_filename == file:
        inside = inside.tb_next
    assert inside is not None
    return shown(error.with_traceback(inside))


def logged(records: Iterable[logging.LogRecord]) -> str:
    """Return what was logged on the client's side: the service may know the secrets."""
    ours = (record for record in records if not record.name.startswith(("uvicorn", "asyncio")))
    return "\n".join(record.getMessage() + str(vars(record)) for record in ours)
