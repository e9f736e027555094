"""`EnlightenClient.from_env`: which client the environment makes, and what it lacks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from enlighten_async import EnlightenClient, InputError, OAuth, Plan, ReauthorizationRequired
from enlighten_async.emulator.v4.tokens import user_name
from tests.world import API_KEY, World

KEY = {"ENLIGHTEN_API_KEY": API_KEY}
APP = {"ENLIGHTEN_CLIENT_ID": "client", "ENLIGHTEN_CLIENT_SECRET": "secret"}


def way(world: World) -> Any:
    """Return the options that lead to a service."""
    return {"transport": world.emulator.transport(), "clock": world.clock}


async def login(world: World, environ: dict[str, str], account: str, user: str) -> None:
    """Let an owner log in at the application of the environment."""
    await OAuth.from_env(environ, **way(world)).password(account, user_name(user), "any")


async def test_a_user_id_makes_a_client_of_v2() -> None:
    """It sees the systems of that user."""
    world = World(users=2)
    for user in world.emulator.users:
        environ = {**KEY, "ENLIGHTEN_USER_ID": user}
        async with EnlightenClient.from_env(environ, **way(world)) as client:
            systems = await client.systems()
        assert repr(client) == "<EnlightenClient v2 at https://api.enphaseenergy.com>"
        truth = world.emulator.truth.systems(user)
        assert [system.system_id for system in systems] == [system.system_id for system in truth]


@pytest.mark.parametrize("more", [{}, {"ENLIGHTEN_USER_ID": "4d7a45774e6a41320a"}])
async def test_a_client_id_makes_a_client_of_v4(tmp_path: Path, more: dict[str, str]) -> None:
    """Whether there is a user id left from v2 or not; it sees the systems of the account, or of "default"."""
    world = World(users=2)
    environ = {**KEY, **APP, **more, "ENLIGHTEN_TOKENS": str(tmp_path / "tokens.json")}
    for account, user in zip(("default", "anna"), world.emulator.users, strict=True):
        await login(world, environ, account, user)
    for user, named in zip(world.emulator.users, ({}, {"ENLIGHTEN_ACCOUNT": "anna"}), strict=True):
        async with EnlightenClient.from_env({**environ, **named}, **way(world)) as client:
            systems = await client.systems()
        assert repr(client) == "<EnlightenClient v4 at https://api.enphaseenergy.com>"
        truth = world.emulator.truth.systems(user)
        assert [system.system_id for system in systems] == [system.system_id for system in truth]


async def test_who_has_not_logged_in_is_told_so(tmp_path: Path) -> None:
    """By the first query: the client can be made before."""
    world = World()
    environ = {**KEY, **APP, "ENLIGHTEN_TOKENS": str(tmp_path / "tokens.json")}
    async with EnlightenClient.from_env(environ, **way(world)) as client:
        with pytest.raises(ReauthorizationRequired, match="nobody has logged in") as caught:
            await client.systems()
    assert caught.value.account == "default"
    assert world.emulator.counts.sent == 0


@pytest.mark.parametrize("version", ["v2", "v4"])
def test_the_address_is_taken_unless_one_is_given(tmp_path: Path, version: str) -> None:
    """Of the application as of the client: their hosts must be the same."""
    who = {"ENLIGHTEN_USER_ID": "4d"} if version == "v2" else {**APP, "ENLIGHTEN_TOKENS": str(tmp_path / "t")}
    environ = {**KEY, **who, "ENLIGHTEN_BASE_URL": f"https://one.test/api/{version}"}
    assert repr(EnlightenClient.from_env(environ)) == f"<EnlightenClient {version} at https://one.test>"
    other = EnlightenClient.from_env(environ, base_url=f"https://two.test/api/{version}")
    assert repr(other) == f"<EnlightenClient {version} at https://two.test>"


BOTH = "ENLIGHTEN_CLIENT_ID and ENLIGHTEN_CLIENT_SECRET"
FOR_V2 = f"; for v2, ENLIGHTEN_USER_ID takes the place of {BOTH}"
FOR_V4 = f"; for v4, {BOTH} take the place of ENLIGHTEN_USER_ID"


@pytest.mark.parametrize(
    ("environ", "missing"),
    [
        ({}, f"ENLIGHTEN_API_KEY and {BOTH}{FOR_V2}"),
        (KEY, f"{BOTH}{FOR_V2}"),
        ({"ENLIGHTEN_USER_ID": "4d"}, f"ENLIGHTEN_API_KEY{FOR_V4}"),
        ({**KEY, "ENLIGHTEN_CLIENT_SECRET": "secret"}, f"ENLIGHTEN_CLIENT_ID{FOR_V2}"),
        (APP, "ENLIGHTEN_API_KEY"),
        ({**KEY, "ENLIGHTEN_CLIENT_ID": "client"}, "ENLIGHTEN_CLIENT_SECRET"),
        ({"ENLIGHTEN_CLIENT_ID": "client"}, "ENLIGHTEN_API_KEY and ENLIGHTEN_CLIENT_SECRET"),
    ],
)
@pytest.mark.parametrize("empty", [False, True])
def test_what_is_missing_is_named(environ: dict[str, str], missing: str, empty: bool) -> None:
    """Also where a variable is set and empty; those of v4 unless it seems to be v2."""
    names = ("ENLIGHTEN_API_KEY", "ENLIGHTEN_USER_ID", "ENLIGHTEN_CLIENT_ID", "ENLIGHTEN_CLIENT_SECRET")
    given = {**dict.fromkeys(names, ""), **environ} if empty else environ
    with pytest.raises(InputError) as caught:
        EnlightenClient.from_env(given)
    told, _, hint = missing.partition(";")
    assert str(caught.value) == f"set {told} in the environment{hint and f';{hint}'}"


def test_the_environment_of_the_process_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """As set when it is called."""
    for name in (*KEY, *APP, "ENLIGHTEN_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ENLIGHTEN_API_KEY", API_KEY)
    monkeypatch.setenv("ENLIGHTEN_USER_ID", "4d")
    assert "v2" in repr(EnlightenClient.from_env())


@pytest.mark.parametrize("key", ["", f"{API_KEY} ", f"{API_KEY}\n", "schlüssel"])
def test_a_malformed_key_of_v4_is_refused_without_being_shown(key: str) -> None:
    """Before anything is sent, in the query or in a header."""
    world = World()
    for key_in in ("query", "header"):
        with pytest.raises(InputError, match="api_key must be a text without spaces") as caught:
            world.v4(key, key_in=key_in)
        assert not key or key not in str(caught.value)


async def test_the_environment_names_the_file(tmp_path: Path) -> None:
    """As `ENLIGHTEN_STATE`."""
    world, path = World(), tmp_path / "state.db"
    environ = {
        "ENLIGHTEN_API_KEY": API_KEY,
        "ENLIGHTEN_USER_ID": world.emulator.demo_user,
        "ENLIGHTEN_STATE": str(path),
    }
    options: Any = {"transport": world.emulator.transport(), "clock": world.clock}
    async with EnlightenClient.from_env(environ, **options) as client:
        await client.rgm_stats(world.system)
    assert path.exists()


@pytest.mark.parametrize(
    ("text", "plan"),
    [
        ("kilowatt", Plan.KILOWATT),
        (" Watt", Plan.WATT),
        ("UNLIMITED", Plan.UNLIMITED),
        ("50/50000", Plan(minute=50, month=50_000)),
    ],
)
def test_the_environment_names_the_plan(text: str, plan: Plan, tmp_path: Path) -> None:
    """As the command line takes it; an argument goes first."""
    known = {**KEY, **APP, "ENLIGHTEN_TOKENS": str(tmp_path / "tokens.json")}
    environ = {**known, "ENLIGHTEN_PLAN": text}
    assert EnlightenClient.from_env(environ).plan == EnlightenClient.from_env(known, plan=plan).plan
    assert EnlightenClient.from_env(environ, plan=Plan(minute=3)).plan == Plan(minute=3)


@pytest.mark.parametrize("text", ["gigawatt", "50", "50/", "0/5", "a/b"])
def test_a_wrong_plan_in_the_environment_is_refused(text: str) -> None:
    """With those that there are."""
    with pytest.raises(InputError, match="^ENLIGHTEN_PLAN: .* is neither watt, .* such as 50/50000"):
        EnlightenClient.from_env({**KEY, "ENLIGHTEN_USER_ID": "4d", "ENLIGHTEN_PLAN": text})
