"""How a system is set. That there is nothing to set is an answer here, with a reason."""

from __future__ import annotations

from functools import partial
from typing import TypeAlias, TypeVar

from enlighten_async.dialect import decode
from enlighten_async.dialect.once import once
from enlighten_async.errors import EnlightenError, RangeError
from enlighten_async.models.coverage import Reason
from enlighten_async.models.site_settings import BatterySettings, GridStatus, LoadControl, StormGuard
from enlighten_async.session.outline import Draft
from enlighten_async.wire import Request

Setting: TypeAlias = BatterySettings | StormGuard | GridStatus | LoadControl
S = TypeVar("S", BatterySettings, StormGuard, GridStatus, LoadControl)

_EMPTY = (
    ("doesn't have", Reason.NO_DEVICE),
    ("not reported yet", Reason.NOT_REPORTED_YET),
)
"""What a refusal (422) says of a system for which there is nothing, and the reason that it stands for."""


def _of(model: type[S], name: str, system_id: int) -> Draft[S, S, S]:
    """Ask how something is set."""

    def forgive(refusal: EnlightenError) -> S | None:
        if not isinstance(refusal, RangeError):
            return None
        reason = next((reason for words, reason in _EMPTY if words in str(refusal)), None)
        as_of = decode.fetched_at(refusal.response)
        return None if reason is None else model(system_id, reason=reason, as_of=as_of)

    # The order of the path is another one than elsewhere.
    path = f"/systems/config/{system_id}/{name}"
    read = partial(decode.value, model, usual={"system_id": system_id})
    return once(Request(name, path, (), read, None, forgive))


battery_settings = partial(_of, BatterySettings, "battery_settings")
storm_guard = partial(_of, StormGuard, "storm_guard")
grid_status = partial(_of, GridStatus, "grid_status")
load_control = partial(_of, LoadControl, "load_control")
