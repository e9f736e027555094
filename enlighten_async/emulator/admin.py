"""The admin path of an emulator, `/_emulator`: what it counted, and faults, latency, tokens and time at will.

The service has no such path. Its requests need no key, are neither counted nor logged, and meet no fault.
"""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeAlias

from attrs import asdict

from enlighten_async.emulator.drift import Drift
from enlighten_async.emulator.messages import Response, json_response
from enlighten_async.emulator.named_faults import ALWAYS, FAULTS, OPTIONS, READERS, named_fault
from enlighten_async.emulator.quota import Quota

if TYPE_CHECKING:
    from collections.abc import Callable

    from enlighten_async.emulator.app import Emulator
    from enlighten_async.emulator.messages import Request

ADMIN_ROOT = "/_emulator"
ABOUT = (
    "An emulator of Enphase's Enlighten Systems API, for tests. "
    "Nothing here is real: no owner, no system, no energy."
)
MAX_SHOWN = 100
"""Requests of the log that are shown, the newest ones."""

Row: TypeAlias = dict[str, object]

PATHS = {
    "GET /_emulator": "this page",
    "GET /_emulator/counts": "requests since the start or the last reset; DELETE resets",
    "GET /_emulator/log": f"the newest {MAX_SHOWN} requests, without credentials",
    "GET /_emulator/faults": "the faults, and how many requests each has met; DELETE ends all of them",
    "POST /_emulator/faults": f'adds one: {{"name": "drop", "times": 2}}; options: {OPTIONS}',
    "GET /_emulator/settings": "latency and jitter (seconds), plan, drifts, token_ttl (seconds)",
    "POST /_emulator/settings": 'changes some: {"latency": 0.5, "jitter": 0.2}',
    "POST /_emulator/tokens": '{"expire": "all"} ends access tokens, {"revoke": USER} all of a user\'s',
    "POST /_emulator/time": '{"advance": SECONDS} moves the clock ahead',
}


class AdminError(Exception):
    """A wrong request to the admin path; the text says what to send."""


def is_admin(request: Request) -> bool:
    """Tell whether a request is for the admin path."""
    return request.path == ADMIN_ROOT or request.path.startswith(f"{ADMIN_ROOT}/")


def respond(emulator: Emulator, request: Request) -> Response:
    """Return the response to a request for the admin path: JSON that says whose it is."""
    path = request.path.rstrip("/")
    methods = {method for known, method in ROUTES if known == path}
    try:
        if request.method in methods:
            return _answer(200, ROUTES[path, request.method](emulator, request))
    except (AdminError, ValueError) as error:
        return _answer(400, {"error": str(error)})
    if methods:
        return _answer(405, {"error": f"use {' or '.join(sorted(methods))}"})
    return _answer(404, {"error": "there is no such path", "paths": PATHS})


def _answer(status: int, content: Row) -> Response:
    response = json_response(status, {"emulator": "enlighten_async", **content})
    return response.with_header("X-Emulator", "enlighten_async").with_header("Cache-Control", "no-store")


def _content(request: Request, *names: str) -> Row:
    """Return the JSON object of a request, of these names only.

    A page in a browser can send a form to any address, but JSON only to its own: so JSON has to be named.
    """
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise AdminError("send JSON, with the header Content-Type: application/json")
    try:
        content = json.loads(request.body)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or not content:
        known = ", ".join(names)
        raise AdminError(f"send a JSON object with some of: {known}; GET {ADMIN_ROOT} shows examples")
    if unknown := content.keys() - set(names):
        raise AdminError(f"{min(unknown)!r} is unknown: choose from {', '.join(names)}")
    return content


def _seconds(content: Row, name: str, default: float) -> float:
    value = content.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise AdminError(f"{name} must be seconds, 0 or more, not {value!r}")
    return value


def _index(emulator: Emulator, request: Request) -> Row:
    return {"about": ABOUT, "paths": PATHS, "users": emulator.users, **_settings(emulator, request)}


def _counts(emulator: Emulator, _: Request) -> Row:
    """Tell the counts; of keys only how many there were."""
    counts = emulator.counts
    told = asdict(counts, filter=lambda attribute, _: attribute.name != "by_key")
    return {**told, "keys": len(counts.by_key)}


def _reset(emulator: Emulator, request: Request) -> Row:
    emulator.counts.reset()
    return _counts(emulator, request)


def _log(emulator: Emulator, _: Request) -> Row:
    return {"log": [asdict(entry) for entry in emulator.log[-MAX_SHOWN:]]}


def _faults(emulator: Emulator, _: Request) -> Row:
    rows = [
        {
            "name": fault.name or "(made in Python)",
            "path": fault.path,
            "after": fault.after,
            "times": ALWAYS if fault.times == math.inf else fault.times,
            "seen": emulator.seen(fault),
        }
        for fault in emulator.faults
    ]
    return {"faults": rows, "names": list(FAULTS)}


def _add_fault(emulator: Emulator, request: Request) -> Row:
    content = _content(request, "name", *READERS)
    name = content.pop("name", None)
    if name is None:
        raise AdminError(f"give a name: one of {', '.join(FAULTS)}")
    emulator.inject(named_fault(str(name), content))
    return _faults(emulator, request)


def _end_faults(emulator: Emulator, request: Request) -> Row:
    emulator.faults.clear()
    return _faults(emulator, request)


def _settings(emulator: Emulator, _: Request) -> Row:
    latency, jitter = emulator.latency_and_jitter
    return {
        "time": datetime.fromtimestamp(emulator.clock.now(), UTC).isoformat(),
        "latency": latency,
        "jitter": jitter,
        "plan": emulator.quota.name.lower(),
        "drifts": sorted(emulator.drifts),
        "token_ttl": emulator.token_ttl,
    }


def _change_settings(emulator: Emulator, request: Request) -> Row:
    content = _content(request, "latency", "jitter", "plan", "drifts", "token_ttl")
    latency, jitter = emulator.latency_and_jitter
    timing = _seconds(content, "latency", latency), _seconds(content, "jitter", jitter)
    ttl = _seconds(content, "token_ttl", emulator.token_ttl)
    quota = _quota(content["plan"]) if "plan" in content else emulator.quota
    drifts = _drifts(content["drifts"]) if "drifts" in content else emulator.drifts
    if not {"latency", "jitter"}.isdisjoint(content):
        emulator.latency = jittered(*timing)
    emulator.token_ttl, emulator.quota, emulator.drifts = ttl, quota, drifts
    return _settings(emulator, request)


def _quota(name: object) -> Quota:
    plans = ("watt", "kilowatt", "megawatt", "partner", "unlimited")
    if name not in plans:
        raise AdminError(f"plan must be one of {', '.join(plans)}, not {name!r}")
    return getattr(Quota, str(name).upper())  # type: ignore[no-any-return]


def _drifts(names: object) -> frozenset[Drift]:
    if not isinstance(names, list) or not set(map(str, names)) <= set(Drift):
        raise AdminError(f"drifts must be a list of some of: {', '.join(Drift)}")
    return frozenset(map(Drift, names))


def jittered(latency: float, jitter: float) -> float | tuple[float, float]:
    """Return the latency of an emulator in seconds: constant, or between two.

    Args:
        latency: the mean, seconds.
        jitter: by how much it varies either way, seconds; 0: constant.
    """
    return (max(0.0, latency - jitter), latency + jitter) if jitter else latency


def _end_tokens(emulator: Emulator, request: Request) -> Row:
    content = _content(request, "expire", "revoke")
    for verb, user in content.items():
        if user not in {*emulator.users, "all"} or (verb, user) == ("revoke", "all"):
            raise AdminError(f"{verb} must be one of the users that GET {ADMIN_ROOT} lists; expire also all")
    if user := content.get("expire"):
        emulator.expire(None if user == "all" else str(user))
    if user := content.get("revoke"):
        emulator.revoke(str(user))
    return {"ended": content}


def _advance(emulator: Emulator, request: Request) -> Row:
    seconds = _seconds(_content(request, "advance"), "advance", 0.0)
    advance = getattr(emulator.clock, "advance", None)
    if advance is None:
        raise AdminError("the clock of this emulator cannot be moved: give it clock=ServiceClock()")
    advance(seconds)
    return _settings(emulator, request)


ROUTES: dict[tuple[str, str], Callable[[Emulator, Request], Row]] = {
    (ADMIN_ROOT, "GET"): _index,
    (f"{ADMIN_ROOT}/counts", "GET"): _counts,
    (f"{ADMIN_ROOT}/counts", "DELETE"): _reset,
    (f"{ADMIN_ROOT}/log", "GET"): _log,
    (f"{ADMIN_ROOT}/faults", "GET"): _faults,
    (f"{ADMIN_ROOT}/faults", "POST"): _add_fault,
    (f"{ADMIN_ROOT}/faults", "DELETE"): _end_faults,
    (f"{ADMIN_ROOT}/settings", "GET"): _settings,
    (f"{ADMIN_ROOT}/settings", "POST"): _change_settings,
    (f"{ADMIN_ROOT}/tokens", "POST"): _end_tokens,
    (f"{ADMIN_ROOT}/time", "POST"): _advance,
}
