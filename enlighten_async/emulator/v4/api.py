"""Version 4 of the service: what is checked before a request is answered, and by what it is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from attrs import field, frozen

from enlighten_async.emulator.local_time import BadMomentError
from enlighten_async.emulator.messages import JSON_TYPE, as_json
from enlighten_async.emulator.v4 import refusals
from enlighten_async.emulator.v4.refusals import RefusedError, because, not_found, wrong_verb
from enlighten_async.emulator.v4.routes import Asked, find_route

if TYPE_CHECKING:
    from collections.abc import Callable

    from enlighten_async.clock import Clock
    from enlighten_async.emulator.messages import Answer, Call
    from enlighten_async.emulator.plant.system import System
    from enlighten_async.emulator.plant.truth import Truth
    from enlighten_async.emulator.quota import Excess, Quota
    from enlighten_async.emulator.v4.apps import Apps
    from enlighten_async.emulator.v4.manners import Manners
    from enlighten_async.emulator.v4.routes import Route
    from enlighten_async.emulator.v4.tokens import Token, Tokens

NAMED_BY_DATA = {"evse_power"}
"""Fields with objects whose fields are named by serial numbers: there every name means something."""

Row: TypeAlias = dict[str, object]


@frozen
class ApiV4:
    """Answers requests that faults have let through.

    The order of checks, which nobody has documented: verb, key present, token valid, key and client of one
    application (all of `admit`, which costs nothing), quota, access control, system, parameters.
    """

    apps: Apps
    tokens: Tokens
    keys: Callable[[str], bool]
    truth: Truth
    clock: Clock
    retention: float
    quota: Callable[[], Quota]
    _manners: Callable[[], Manners] = field(alias="manners")

    @property
    def manners(self) -> Manners:
        """How it behaves where nobody knows."""
        return self._manners()

    def admit(self, call: Call) -> Answer | None:
        """Return the refusal of a request that is not even counted, if it meets one."""
        route, _ = find_route(call)
        if call.method != (route.method if route else "GET"):
            return wrong_verb(call.method, _media(route))
        try:
            self._check_key(call)
        except RefusedError as refused:
            return _put(route, refused)
        return None

    def crowded(self, call: Call) -> Answer:
        """Return the answer where too many requests come at once; v4 does not document any."""
        return _put(find_route(call)[0], RefusedError(503, "Too many requests at a time"))

    def throttled(self, call: Call, excess: Excess) -> Answer:
        """Return the answer to a request the quota refuses; only some operations tell the window."""
        route, _ = find_route(call)
        details = f"Usage limit exceeded for plan {excess.plan}"
        long = route is None or route.long
        answer = _put(route, RefusedError(429, details, more=excess.facts if long else None))
        if not self.manners.retry_after:
            return answer
        return answer.with_header("Retry-After", str(int(excess.period.end - self.clock.now()) + 1))

    def answer(self, call: Call) -> Answer:
        """Return the service's answer to a request that was admitted and counted."""
        route, names = find_route(call)
        try:
            content = self._content(call, route, names)
        except RefusedError as refused:
            return _put(route, refused)
        except (BadMomentError, OverflowError) as bad:  # a date with no day after it overflows
            return _put(route, RefusedError(422, because(f"Failed to parse date {bad}")))
        return as_json(200, _with_news(content) if self.manners.fuzz else content, _media(route))

    def _content(self, call: Call, route: Route | None, names: dict[str, str]) -> object:
        """Return what is told; the checks of `admit` once more, as a token may have ended on the way.

        Raises RefusedError.
        """
        token = self._check_key(call)
        if route is None:
            raise RefusedError(404, "Resource not found")
        if not self.apps.may(route.access, call.key, self.quota().name):
            raise RefusedError(401, refusals.NO_ACCESS)
        system = self._system(names["id"], token.user_id) if "id" in names else None
        owned = self.truth.systems(token.user_id)
        return route.endpoint(self, Asked(call, owned, system, names.get("serial", "")))

    def _check_key(self, call: Call) -> Token:
        """Return for whom a request speaks.

        Raises RefusedError: without a key, without a token that is good, or if they are not of one
        application.
        """
        if not call.key:
            raise RefusedError(401, refusals.NO_KEY[1], refusals.NO_KEY[0])
        token = self.tokens.find(call.bearer)
        if token is None:
            raise RefusedError(401, refusals.NO_USER)
        if not self.keys(call.key) or not self.apps.match(call.key, token.client_id):
            raise RefusedError(401, refusals.MISMATCH[1], refusals.MISMATCH[0])
        return token

    def _system(self, text: str, user_id: str) -> System:
        """Return a user's system.

        Raises RefusedError: there is none with this id, or it is another's.
        """
        try:
            system = self.truth.system(int(text) if text.isdecimal() else 0)
        except (KeyError, ValueError):
            raise not_found("System", text) from None
        if system.user_id != user_id:
            raise RefusedError(403, refusals.NO_ACCESS)
        return system


def _put(route: Route | None, refused: RefusedError) -> Answer:
    return refused.answer() if route is None else route.refuse(refused)


def _media(route: Route | None) -> str:
    return JSON_TYPE if route is None else route.media


def _with_news(content: object) -> object:
    """Return the same content; every object in it has a field more."""
    if isinstance(content, list):
        return [_with_news(item) for item in content]
    if isinstance(content, dict):
        told = {
            name: value if name in NAMED_BY_DATA else _with_news(value) for name, value in content.items()
        }
        return told | {"not_heard_of": [{}]}
    return content
