"""The admin path: it says whose it is, tells the counts, and changes faults, settings, tokens and time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from enlighten_async.clock import SystemClock
from enlighten_async.emulator import Access, Emulator, Fault, Quota, ServiceClock
from enlighten_async.testing import FakeClock

SUMMARY = "/api/v2/systems/1765/summary"


@asynccontextmanager
async def service(emulator: Emulator) -> AsyncIterator[httpx.AsyncClient]:
    """Open a plain client of an emulator."""
    transport = emulator.transport()
    async with httpx.AsyncClient(transport=transport, base_url="https://service.test") as client:
        yield client


async def data(client: httpx.AsyncClient, emulator: Emulator) -> int:
    """Ask for data with the very secret key; return the status."""
    params = {"key": "very-secret", "user_id": emulator.demo_user}
    return (await client.get(SUMMARY, params=params)).status_code


async def test_it_says_what_it_is(clock: FakeClock) -> None:
    """In body and header; without a key, uncounted, unlogged, and past all faults and limits."""
    emulator = Emulator(clock=clock, quota=Quota(0, 0, "None"), faults=[Fault.drop(times=9, path="")])
    emulator.access_log = lambda access: pytest.fail(str(access))
    async with service(emulator) as client:
        answer = await client.get("/_emulator")
    assert (answer.status_code, answer.headers["x-emulator"]) == (200, "enlighten_async")
    told = answer.json()
    assert told["emulator"] == "enlighten_async"
    assert told["about"].startswith("An emulator of Enphase's Enlighten Systems API, for tests.")
    assert (emulator.counts.sent, emulator.log, told["users"]) == (0, [], emulator.users)
    assert told["time"] == "2025-06-15T19:00:00+00:00"


async def test_every_path_that_it_names_is_there(clock: FakeClock) -> None:
    """And no other."""
    emulator = Emulator(clock=clock)
    async with service(emulator) as client:
        paths = (await client.get("/_emulator")).json()["paths"]
        for method, _, path in (line.partition(" ") for line in paths):
            answer = await client.request(method, path, json={} if method == "POST" else None)
            assert answer.status_code in ({400} if method == "POST" else {200})
        assert (await client.get("/_emulator/nothing")).status_code == 404
        wrong = await client.request("DELETE", "/_emulator/time")
    assert (wrong.status_code, wrong.json()["error"]) == (405, "use POST")


async def test_counts_and_log_tell_no_key(clock: FakeClock) -> None:
    """The counts are those of Python; DELETE starts anew."""
    emulator = Emulator(clock=clock, quota=Quota(2, None, "Tiny"))
    async with service(emulator) as client:
        assert [await data(client, emulator) for _ in range(3)] == [200, 200, 409]
        counts, log = await client.get("/_emulator/counts"), await client.get("/_emulator/log")
        told = counts.json()
        assert (told["sent"], told["served"], told["rejected"], told["keys"]) == (3, 2, 1, 1)
        assert told["by_status"] == {"200": 2, "409": 1}
        assert [entry["status"] for entry in log.json()["log"]] == [200, 200, 409]
        assert "very-secret" not in counts.text + log.text
        assert (await client.delete("/_emulator/counts")).json()["sent"] == 0
    assert emulator.counts.sent == 0


async def test_faults_come_and_go(clock: FakeClock) -> None:
    """By name; the list says how many requests each has met."""
    emulator = Emulator(clock=clock)
    async with service(emulator) as client:
        fault = {"name": "answer", "status": 503, "times": 1, "path": "summary"}
        assert (await client.post("/_emulator/faults", json=fault)).status_code == 200
        assert [await data(client, emulator) for _ in range(2)] == [503, 200]
        (row,) = (await client.get("/_emulator/faults")).json()["faults"]
        assert row == {"name": "answer", "path": "summary", "after": 0, "times": 1, "seen": 2}
        await client.post("/_emulator/faults", json={"name": "outage-500"})
        assert await data(client, emulator) == 500
        assert (await client.delete("/_emulator/faults")).json()["faults"] == []
        assert await data(client, emulator) == 200
        wrong = await client.post("/_emulator/faults", json={"name": "crash"})
    assert (wrong.status_code, "choose from unavailable" in wrong.json()["error"]) == (400, True)


@pytest.mark.parametrize("path", ["faults", "settings", "tokens", "time"])
@pytest.mark.parametrize("body", ["[]", "{}", "3", "null", "not json", "[" * 100_000, "\xff"])
async def test_what_is_no_object_is_told_what_to_send(clock: FakeClock, path: str, body: str) -> None:
    """The names that it may have."""
    emulator = Emulator(clock=clock)
    headers = {"Content-Type": "application/json"}
    async with service(emulator) as client:
        told = await client.post(f"/_emulator/{path}", content=body.encode("latin-1"), headers=headers)
        known = {
            "faults": "name, times",
            "settings": "latency",
            "tokens": "expire, revoke",
            "time": "advance",
        }
        assert told.status_code == 400
        assert f"send a JSON object with some of: {known[path]}" in told.json()["error"]
        unknown = await client.post(f"/_emulator/{path}", json={"odd": 1})
        assert f"'odd' is unknown: choose from {known[path]}" in unknown.json()["error"]


async def test_a_fault_needs_a_name(clock: FakeClock) -> None:
    """The answer lists those there are."""
    async with service(Emulator(clock=clock)) as client:
        told = (await client.post("/_emulator/faults", json={"times": 2})).json()["error"]
    assert told.startswith("give a name: one of unavailable, exception")


async def test_settings_change(clock: FakeClock) -> None:
    """Latency and jitter, plan, drifts and the life of tokens; one that is wrong changes none."""
    emulator = Emulator(clock=clock)
    async with service(emulator) as client:
        change = {"latency": 0.5, "jitter": 0.2, "plan": "kilowatt", "drifts": ["off-grid"], "token_ttl": 60}
        told = (await client.post("/_emulator/settings", json=change)).json()
        assert {name: told[name] for name in change} == change
        assert (emulator.latency, emulator.quota) == (pytest.approx((0.3, 0.7)), Quota.KILOWATT)
        assert emulator.grant(emulator.demo_user)["expires_in"] == 60
        for wrong in ({"latency": -1}, {"plan": "gigawatt"}, {"drifts": "off-grid"}, {"token_ttl": True}):
            answer = await client.post("/_emulator/settings", json={"jitter": 9, **wrong})
            assert answer.status_code == 400
            assert next(iter(wrong)) in answer.json()["error"]
        assert (await client.get("/_emulator/settings")).json() == told


async def test_tokens_end(clock: FakeClock) -> None:
    """Access tokens of all or of one, or all tokens of a user."""
    emulator = Emulator(clock=clock, users=2)
    one, other = emulator.users

    async def status(client: httpx.AsyncClient, token: object) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        return (await client.get("/api/v4/systems", params={"key": "k"}, headers=headers)).status_code

    async with service(emulator) as client:
        tokens = {user: emulator.grant(user)["access_token"] for user in (one, other)}
        assert (await client.post("/_emulator/tokens", json={"expire": one})).json()["ended"] == {
            "expire": one
        }
        assert [await status(client, tokens[user]) for user in (one, other)] == [401, 200]
        await client.post("/_emulator/tokens", json={"revoke": other})
        assert await status(client, tokens[other]) == 401
        token = emulator.grant(one)["access_token"]
        await client.post("/_emulator/tokens", json={"expire": "all"})
        assert await status(client, token) == 401
        for wrong in ({"revoke": "all"}, {"expire": "nobody"}, {"end": one}):
            assert (await client.post("/_emulator/tokens", json=wrong)).status_code == 400


async def test_time_moves_ahead(clock: FakeClock) -> None:
    """Of a clock that can be moved, and never back."""
    emulator = Emulator(clock=clock)
    async with service(emulator) as client:
        moved = await client.post("/_emulator/time", json={"advance": 3600})
        assert moved.json()["time"] == "2025-06-15T20:00:00+00:00"
        assert (await client.post("/_emulator/time", json={"advance": -1})).status_code == 400
    async with service(Emulator(clock=ServiceClock())) as client:
        for far in (1e18, 1e11, 4e9):
            assert (await client.post("/_emulator/time", json={"advance": far})).status_code == 400
        assert (await client.post("/_emulator/time", json={"advance": 3e9})).status_code == 200
        assert (await client.post("/_emulator/time", json={"advance": 3e9})).status_code == 400
    async with service(Emulator(clock=SystemClock())) as client:
        still = await client.post("/_emulator/time", json={"advance": 1})
    assert (still.status_code, "cannot be moved" in still.json()["error"]) == (400, True)


def test_a_line_of_the_access_log_is_one_line() -> None:
    """Whatever is asked for: nobody can add a line, or move the cursor."""
    access = Access(0.0, "GET", "/a b\n00:00:01 GET /forged \x1b[2J", {"q": "\r\n"}, 404, 0.0)
    line = "00:00:00 GET /a%20b%0A00:00:01%20GET%20/forged%20%1B%5B2J?q=%0D%0A 404 0 ms"
    assert str(access) == line


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"data": {"advance": "1"}}, "Content-Type: application/json"),
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, "send a JSON object"),
        ({"json": [1]}, "send a JSON object"),
        ({"json": {"back": 1}}, "'back' is unknown: choose from advance"),
    ],
)
async def test_what_is_no_json_changes_nothing(sent: Any, said: str, clock: FakeClock) -> None:
    """A form above all: any page in a browser can send one to this machine."""
    async with service(Emulator(clock=clock)) as client:
        answer = await client.post("/_emulator/time", **sent)
    assert answer.status_code == 400
    assert said in answer.json()["error"]


async def test_the_access_log_tells_each_request_without_credentials(clock: FakeClock) -> None:
    """Data, dropped connections and logins; how long each took."""
    emulator, log = Emulator(clock=clock, latency=0.25), []
    emulator.access_log = log.append
    emulator.inject(Fault.drop(after=1))
    secrets = {"client_id": "app-CANARY", "code": "code-CANARY", "redirect_uri": "https://a.test/CANARY"}
    async with service(emulator) as client:
        params = {"key": "very-CANARY", "user_id": emulator.demo_user, "start_at": "5"}
        await client.get(SUMMARY, params=params)
        with pytest.raises(httpx.ReadError):
            await client.get(SUMMARY, params=params)
        await client.post("/oauth/token", params={"grant_type": "authorization_code", **secrets})
    assert [(entry.status, entry.seconds) for entry in log] == [
        (200, pytest.approx(0.25)),
        (None, pytest.approx(0.1875)),
        (401, pytest.approx(0.25)),
    ]
    lines = list(map(str, log))
    assert lines[0] == f"19:00:00 GET {SUMMARY}?start_at=5 200 250 ms"
    assert lines[1].endswith("no response 188 ms")
    assert lines[2].endswith("POST /oauth/token?grant_type=authorization_code 401 250 ms")
    assert all(isinstance(entry, Access) for entry in log)
    assert not any(word in line for line in lines for word in ("CANARY", emulator.demo_user))
