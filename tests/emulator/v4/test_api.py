"""The checks of v4: their order, and the shape of each error."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import pytest

from enlighten_async.emulator import App, Drift, Emulator, Fault, Quota, System
from enlighten_async.emulator.v4.apps import CONFIGURATIONS, CONSUMPTION, DETAILS, DEVICES, EV, PRODUCTION
from enlighten_async.emulator.v4.routes import V4_ROUTES
from enlighten_async.testing import FakeClock

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]

ONE = App(key="key-1", client_id="client-1", client_secret="secret-1")
TWO = App(key="key-2", client_id="client-2", client_secret="secret-2", access_controls=frozenset({DETAILS}))
BARRED = {"message": "Not Authorized", "details": "User is not authorized", "code": 401}
ACCESS = {"message": "Not Authorized", "details": "Not authorized to access this resource", "code": 401}
FORBIDDEN = {"message": "Forbidden", "details": "Not authorized to access this resource", "code": 403}
MISMATCH = {
    "message": "API Key -Client mismatch",
    "details": "API Key and Client ID of the access token do not match",
    "code": 401,
}
NO_KEY = {
    "message": "Not authorized to access requested resource.",
    "details": "Keys are missing at Header location",
    "code": 401,
}


async def test_each_check_comes_before_the_next(clock: FakeClock) -> None:
    """One request, wrong in every way, is refused for the first; with that mended, for the next."""
    emulator = Emulator(clock=clock, users=2, apps=[ONE, TWO], quota=Quota(1, None, "Tiny"))
    user, other = emulator.users
    theirs = emulator.truth.systems(other)[0].system_id
    async with httpx.AsyncClient(transport=emulator.transport(), base_url="https://h.test/api/v4") as client:
        path, start = "/systems/1/rgm_stats", {"start_at": "never"}

        async def ask(method: str = "GET", token: str = "", **params: str) -> tuple[int, Any]:
            head = {"Authorization": f"Bearer {token}"} if token else {}
            answer = await client.request(method, path, params=start | params, headers=head)
            return answer.status_code, answer.json()

        assert await ask("POST") == (405, {"reason": "405", "message": ["Method not allowed"]})
        assert await ask("BREW") == (501, {"reason": "501", "message": ["Not Implemented"]})
        assert await ask() == (401, NO_KEY)
        assert await ask(key="key-2") == (401, BARRED)
        token = str(emulator.grant(user, "client-1")["access_token"])
        assert await ask(key="key-2", token=token) == (401, MISMATCH)
        assert await ask(key="key-3", token=token) == (401, MISMATCH)
        assert emulator.counts.served == 0
        token = str(emulator.grant(user, "client-2")["access_token"])
        assert await ask(key="key-2", token=token) == (401, ACCESS)
        assert emulator.counts.served == 1
        assert (await ask(key="key-2", token=token))[0] == 429
        emulator.quota = Quota.UNLIMITED
        token = str(emulator.grant(user, "client-1")["access_token"])
        missing = {"message": "Not Found", "details": 'System not found for {:id=>"1"}', "code": 404}
        assert await ask(key="key-1", token=token) == (404, missing)
        path = f"/systems/{theirs}/rgm_stats"
        assert await ask(key="key-1", token=token) == (403, FORBIDDEN)
        path = f"/systems/{emulator.truth.systems(user)[0].system_id}/rgm_stats"
        assert (await ask(key="key-1", token=token))[0] == 422
        start = {}
        assert (await ask(key="key-1", token=token))[0] == 200


async def test_the_key_in_query_or_header(clock: FakeClock) -> None:
    """Either place will do in v4; v2 knows the query alone."""
    emulator = Emulator(clock=clock, keys=["a-key"])
    token = emulator.grant(emulator.demo_user)["access_token"]
    head = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(transport=emulator.transport(), base_url="https://h.test/api") as client:
        assert (await client.get("/v4/systems?key=a-key", headers=head)).status_code == 200
        assert (await client.get("/v4/systems", headers=head | {"key": "a-key"})).status_code == 200
        assert (await client.get("/v4/systems", headers=head | {"key": "other"})).json() == MISMATCH
        old = f"/v2/systems?user_id={emulator.demo_user}"
        assert (await client.get(old, headers={"key": "a-key"})).status_code == 401
        assert (await client.get(f"{old}&key=a-key")).status_code == 200
    assert emulator.counts.by_key["a-key"] == 3


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer x", "Basic eDp5", "Token abc"])
async def test_what_is_no_token(clock: FakeClock, header: str) -> None:
    """Missing, unknown or of another scheme: the user is not authorized."""
    emulator = Emulator(clock=clock)
    async with httpx.AsyncClient(transport=emulator.transport(), base_url="https://h.test/api/v4") as client:
        answer = await client.get("/systems?key=k", headers={"Authorization": header} if header else {})
    assert (answer.status_code, answer.json()) == (401, BARRED)


WATT = {DETAILS, PRODUCTION, CONSUMPTION, EV}


@pytest.mark.parametrize(
    ("quota", "readable"),
    [
        (Quota(None, None, "Watt"), WATT),
        (Quota(None, None, "Kilowatt"), WATT | {DEVICES}),
        (Quota(None, None, "Megawatt"), WATT | {DEVICES, CONFIGURATIONS}),
        (Quota.UNLIMITED, WATT | {DEVICES, CONFIGURATIONS}),
    ],
)
async def test_what_a_tariff_may_read(
    clock: FakeClock, connect_v4: Connect, quota: Quota, readable: set[str]
) -> None:
    """A missing access control is a 401 that speaks of the resource, on each operation that needs it."""
    young = System(system_id=7, operational_at=int(clock.now()) - 10 * 86_400)
    emulator = Emulator(clock=clock, quota=quota, concurrent=None, fleet=[young])
    names = {"id": str(emulator.demo_system), "serial": "1"}
    async with connect_v4(emulator) as client:
        for route in V4_ROUTES:
            path = "/systems" + route.path.format(**names)
            answer = await client.request(route.method, path, json={"system": {}})
            denied = answer.status_code == 401
            assert denied == (route.access not in readable), path
            assert not denied or answer.json() == ACCESS


async def test_systems_of_others_are_forbidden_in_every_path(clock: FakeClock, connect_v4: Connect) -> None:
    """And those that do not exist are not found."""
    emulator = Emulator(clock=clock, users=2, quota=Quota.UNLIMITED)
    theirs = emulator.truth.systems(emulator.users[1])[0].system_id
    async with connect_v4(emulator) as client:
        for route in V4_ROUTES:
            if "{id}" not in route.path:
                continue
            path = "/systems" + route.path
            answer = await client.get(path.format(id=theirs, serial="1"))
            assert answer.status_code == 403
            if not route.ev:
                assert answer.json() == FORBIDDEN
            for number in ("1", "abc", "+7", "9" * 5000):
                answer = await client.get(path.format(id=number, serial="1"))
                assert answer.status_code == (400 if route.ev else 404), path
                details = answer.json()["details"]
                shown = ["Invalid system_id"] if route.lists_details else "Invalid system_id"
                assert details == shown if route.ev else number in details


async def test_readings_have_their_own_words_for_what_is_missing(
    clock: FakeClock, connect_v4: Connect
) -> None:
    """Their 404 says that one is not authorized."""
    async with connect_v4(Emulator(clock=clock)) as client:
        answer = await client.get("/systems/1/production_meter_readings")
    assert answer.json() == {
        "message": "Not Authorized",
        "details": 'System not found for {:id=>"1"}',
        "code": 404,
    }


async def test_paths_that_lead_nowhere(clock: FakeClock, connect_v4: Connect) -> None:
    """They are counted; what controls something is left out."""
    emulator = Emulator(clock=clock, quota=Quota.UNLIMITED)
    number = emulator.demo_system
    async with connect_v4(emulator) as client:
        assert (await client.get("/nothing")).status_code == 404
        assert (await client.get(f"/systems/{number}/live_data")).status_code == 404
        assert (await client.put(f"/systems/config/{number}/storm_guard", json={})).status_code == 405
        assert (await client.get("/systems/search")).status_code == 405
        assert (await client.get("/systems/")).status_code == 200
    assert emulator.counts.served == 3


SHORT = {
    "",
    "/search",
    "/event_types",
    "/{id}",
    "/{id}/alarms",
    "/{id}/battery_lifetime",
    "/{id}/consumption_lifetime",
    "/{id}/devices",
    "/{id}/devices/micros/telemetry",
    "/{id}/energy_export_lifetime",
    "/{id}/energy_export_telemetry",
    "/{id}/energy_import_lifetime",
    "/{id}/energy_import_telemetry",
    "/{id}/events",
    "/{id}/latest_telemetry",
    "/{id}/open_alarms",
    "/{id}/open_events",
    "/config/{id}/grid_status",
}
"""Operations whose documented refusal does not tell the window."""


async def test_refusals_of_the_quota_come_in_two_lengths(clock: FakeClock, connect_v4: Connect) -> None:
    """The operation decides between the two."""
    emulator = Emulator(clock=clock, quota=Quota(0, None, "Kilowatt"))
    minute = int(clock.now()) // 60 * 60
    window = {"period": "minute", "period_start": minute, "period_end": minute + 60, "limit": 0}
    brief = {"message": "Too Many Requests", "details": "Usage limit exceeded for plan Kilowatt", "code": 429}
    async with connect_v4(emulator) as client:
        for route in V4_ROUTES:
            path = "/systems" + route.path.format(id=emulator.demo_system, serial="1")
            answer = await client.request(route.method, path)
            assert answer.status_code == 429
            wanted = brief | ({} if route.path in SHORT else window)
            assert answer.json() == (wanted | {"code": "429"} if route.ev else wanted), path
            assert "retry-after" not in answer.headers
        emulator.drifts = {Drift.RETRY_AFTER}
        answer = await client.get("/systems")
    assert int(answer.headers["retry-after"]) == minute + 60 - int(clock.now()) + 1
    assert emulator.counts.rejected == len(V4_ROUTES) + 1


async def test_the_free_tariff_has_a_thousand_a_month(
    clock: FakeClock, connect: Connect, connect_v4: Connect
) -> None:
    """In v4; v2's ten thousand are left to v2, and one ledger counts both."""
    emulator = Emulator(clock=clock, concurrent=None)
    async with connect(emulator) as old, connect_v4(emulator) as new:
        for _ in range(100):
            for _ in range(5):
                assert (await old.get("/systems")).status_code == 200
                assert (await new.get("/systems")).status_code == 200
            assert {(await each.get("/systems")).status_code for each in (old, new)} == {409, 429}
            clock.advance(60)
        refused = await new.get(f"/systems/{emulator.demo_system}/summary")
        assert (refused.status_code, refused.json()["period"]) == (429, "month")
        assert refused.json()["limit"] == 1000
        assert (await old.get("/systems")).status_code == 200
    assert emulator.counts.served == 1001


async def test_tokens_cost_nothing(clock: FakeClock) -> None:
    """They are not counted against any quota."""
    emulator = Emulator(clock=clock, quota=Quota(0, 0, "Tiny"))
    params = {"grant_type": "password", "username": emulator.demo_user, "password": "p"}
    async with httpx.AsyncClient(transport=emulator.transport(), base_url="https://h.test") as client:
        for _ in range(20):
            answer = await client.post("/oauth/token", params=params, auth=("c", "s"))
            assert answer.status_code == 200
    assert (emulator.counts.sent, emulator.counts.tokens) == (0, {"password": 20})


async def test_faults_and_crowds(clock: FakeClock, connect_v4: Connect) -> None:
    """The third envelope, and a 503 v4 does not document."""
    emulator = Emulator(clock=clock, quota=Quota.UNLIMITED, faults=[Fault.unavailable()])
    async with connect_v4(emulator) as client:
        assert (await client.get("/systems")).json()["errorCode"] == 7
        emulator.concurrent = 0
        crowd = await client.get("/systems")
    assert (crowd.status_code, crowd.json()["code"]) == (503, 503)


async def test_a_token_may_end_on_the_way(clock: FakeClock, connect_v4: Connect) -> None:
    """It was good when the request came in, and no more when it was answered."""
    emulator = Emulator(clock=clock)
    emulator.latency = lambda: emulator.revoke(emulator.demo_user) or 0.0
    async with connect_v4(emulator) as client:
        assert (await client.get("/systems")).json() == BARRED
    emulator = Emulator(clock=clock, latency=1.0)
    async with connect_v4(emulator) as client:
        clock.advance(86_398.5)
        assert (await client.get("/systems")).json() == BARRED
    assert emulator.counts.served == 1


async def test_unknown_fields_everywhere(clock: FakeClock, connect_v4: Connect) -> None:
    """The option adds an undocumented field to every object."""
    async with connect_v4(Emulator(clock=clock, drifts={Drift.UNKNOWN_FIELDS})) as client:
        content = (await client.get("/systems")).json()
        summary = (await client.get("/systems/1765/summary")).json()
    assert content["not_heard_of"] == content["systems"][0]["address"]["not_heard_of"] == [{}]
    (charger,) = summary["evse_power"]
    assert "not_heard_of" in summary
    assert "not_heard_of" not in charger


def test_over_a_socket() -> None:
    """Both versions and the tokens at one address; bodies are read, however long they claim to be."""
    emulator = Emulator(quota=Quota.UNLIMITED)
    with emulator.running(version="v4") as url, httpx.Client(timeout=5) as client:
        assert url.endswith("/api/v4")
        host = url.removesuffix("/api/v4")
        data = {"grant_type": "password", "username": emulator.demo_user, "password": "p"}
        token = client.post(f"{host}/oauth/token", data=data, auth=("c", "s")).json()["access_token"]
        head = {"Authorization": f"Bearer {token}", "key": "any"}
        wanted = {"system": {"ids": [emulator.demo_system]}}
        found = client.post(f"{url}/systems/search", headers=head, json=wanted).json()
        assert [row["system_id"] for row in found["systems"]] == [emulator.demo_system]
        pieces = (b" " * 10_000 for _ in range(30))
        long = client.post(f"{url}/systems/search", headers=head, content=pieces)
        assert long.status_code == 422
        params = {"key": "any", "user_id": emulator.demo_user}
        assert client.get(f"{host}/api/v2/systems", params=params).status_code == 200
