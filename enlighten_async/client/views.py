"""A client seen with other options, and what it tells of its quota."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from datetime import timedelta
from typing import Self

from attrs import evolve

from enlighten_async.client.asking import Asking
from enlighten_async.client.options import UNCHANGED, Unchanged, changed
from enlighten_async.models import QuotaStatus
from enlighten_async.quota import Priority
from enlighten_async.session import Options, status
from enlighten_async.transport import Secret


class Views(Asking):
    """What a client and its views have in common."""

    _owner: bool
    _asker: Callable[[str | Secret], Options]

    def with_options(
        self,
        *,
        user_id: str | Secret | None = None,
        max_wait: float | Unchanged | None = UNCHANGED,
        max_requests: int | Unchanged | None = UNCHANGED,
        exhaustive: bool | Unchanged = UNCHANGED,
        priority: Priority | Unchanged = UNCHANGED,
        max_age: timedelta | float | Unchanged | None = UNCHANGED,
    ) -> Self:
        """Return a view of this client with other options; what is not given stays as it is.

        It shares connections and counts with this client, and closing it closes nothing.

        Args:
            user_id: another user of the same key (v4: the name of another account); counts are kept per
                key over all its users.
            max_wait: seconds a whole query may take, queue, network and retries included; `None`: any.
            max_requests: requests a query may take; `None`: any.
            exhaustive: ask also for windows which the newest answer shows to be empty.
            priority: "interactive" (as a client is at first), "poll" for what is read regularly, "backfill"
                for history. They go in this order, in all clients that share counts; and for each class
                above, a tenth of the minute and a twentieth of the month are held back from those below, 1
                request at least.
            max_age: how old (seconds, or a timedelta) a stored answer may be where it may still change; 0
                buys all again; `None`: what may still change is bought again, what is final is not.

        Raises:
            InputError: an option is wrong.
        """
        view = copy(self)
        view._owner = False
        options = changed(
            view._options,
            max_wait=max_wait,
            max_requests=max_requests,
            exhaustive=exhaustive,
            priority=priority,
            max_age=max_age,
        )
        if user_id is not None:
            who = self._asker(user_id)
            options = evolve(options, access=who.access, account=who.account)
        view._options = options
        return view

    async def quota(self) -> QuotaStatus:
        """Return what the key has used and has left, and what is waited for; it costs no request.

        What is left is told for the priority of this view: see `with_options`.
        """
        await self._session.limiter.look()
        return status(self._session, self._options)
