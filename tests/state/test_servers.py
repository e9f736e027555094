"""URLs of servers, whose passwords are shown nowhere, and what is refused before anything is asked."""

from __future__ import annotations

import subprocess
import sys
import traceback
from typing import Any

import anyio
import pytest

from enlighten_async import EnlightenClient
from enlighten_async.clock import SystemClock
from enlighten_async.errors import InputError
from enlighten_async.state import DatabaseUnavailable, PostgresBackend
from enlighten_async.state.servers import ServerUrl, is_url, redis_url
from tests.world import API_KEY, World

PASSWORD = "CANARY-p%40ss"
PLAIN = "CANARY-p@ss"


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("enlighten.db", False),
        ("/var/lib/enlighten.db", False),
        ("C:\\enlighten.db", False),
        ("postgresql://host/db", True),
        ("REDIS://host", True),
        ("mysql://host", True),
        (" postgresql://host/db", True),
        ("'redis://host'", True),
        ("redis:host", True),
        ("postgresql:/me@host/db", True),
        ("redis.db", False),
        ("postgres", False),
    ],
)
def test_a_url_is_told_from_a_path(state: str, told: bool) -> None:
    """A drive of Windows is no scheme; what was meant to be a URL is taken for one, and is no file then."""
    assert is_url(state) is told


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (
            f"postgresql://me:{PASSWORD}@db.example:5433/solar?sslmode=disable",
            "postgresql://db.example:5433/solar",
        ),
        (f"postgresql://db.example/solar?user=me&password={PASSWORD}", "postgresql://db.example/solar"),
        (f"rediss://:{PASSWORD}@[::1]:6380/2", "rediss://[::1]:6380/2"),
        ("postgresql:///solar", "postgresql:///solar"),
    ],
)
def test_a_url_is_shown_without_user_and_password(url: str, shown: str) -> None:
    """Nor in texts of others."""
    found = ServerUrl(lambda: url)
    assert (str(found), found.reveal()) == (shown, url)
    assert PASSWORD not in repr(vars(found)) + repr(found)
    told = found.masked(f"bad password {PASSWORD}, that is {PLAIN}")
    assert ("CANARY" in told) is ("CANARY" not in url)


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("redis://localhost", True),
        ("redis://127.0.0.1:6379", True),
        ("redis://[::1]", True),
        ("postgresql:///solar", True),
        ("postgresql://db/solar", False),
        ("postgresql://10.0.0.1/solar", False),
        ("postgresql:///solar?host=db", False),
        ("postgresql:///solar?host=/run/postgresql", True),
        ("postgresql:///solar?host=localhost,db", False),
        ("postgresql://127.0.0.1/solar?host=db", True),
        ("postgresql:///solar?service=solar", False),
    ],
)
def test_a_server_of_this_machine_is_told_from_another(
    url: str, local: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a look-up: what is elsewhere has to show a certificate."""
    monkeypatch.delenv("PGHOST", raising=False)
    assert ServerUrl(lambda: url).is_local is local


def test_a_server_that_a_variable_names_may_be_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the URL names none."""
    monkeypatch.setenv("PGHOST", "db")
    assert not ServerUrl(lambda: "postgresql:///solar").is_local
    assert ServerUrl(lambda: "postgresql://localhost/solar").is_local
    assert ServerUrl(lambda: "redis:///0").is_local


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://me:CANARY@host/db", "cannot be a mysql:// URL"),
        ("postgresql://me:CANARY@host:port/db", "not a valid URL"),
        ("redis://[me:CANARY@host", "not a valid URL"),
        (" postgresql://me:CANARY@host/db", "not a valid URL"),
        ("'postgresql://me:CANARY@host/db'", "not a valid URL"),
        ("postgresql:/me:CANARY@host/db", "not a valid URL"),
        ("postgresql:me:CANARY@host/db", "not a valid URL"),
        ("postgresql://me:1@CANARY@host/db", "@ is written as %40"),
        ("redis://me:1/CANARY@host/0", "/ as %2F"),
        ("redis://me:1#CANARY@host/0", "# as %23"),
    ],
)
def test_a_wrong_url_is_refused_without_its_password(url: str, words: str) -> None:
    """As soon as the client is made."""
    with pytest.raises(InputError, match=words) as caught:
        World().client(state=url)
    assert "CANARY" not in "".join(traceback.format_exception(caught.value)) + everything(caught.value)


def refuse(state: str, words: str) -> None:
    """Require that a client refuses a state with these words, without the password, and sends nothing."""
    world = World()

    async def ask() -> None:
        async with world.client(state=state) as client:
            await client.systems()

    with pytest.raises(InputError, match=words) as caught:
        anyio.run(ask)
    assert "CANARY" not in "".join(traceback.format_exception(caught.value)) + everything(caught.value)
    assert world.emulator.counts.sent == 0


@pytest.mark.parametrize(
    ("rest", "words"),
    [
        ("/solar", "the number of a database"),
        ("/0/1", "the number of a database"),
        ("/-1", "the number of a database"),
        ("/0?bogus=1", "bogus"),
        ("/0?db=x", "'db'"),
        ("?protocol=7", "protocol"),
    ],
)
def test_what_the_library_for_redis_does_not_take_is_told(rest: str, words: str) -> None:
    """Or would take for another database, without a word; nobody waits for that to pass."""
    pytest.importorskip("redis", reason="an extra is not installed")
    refuse(f"redis://:{PASSWORD}@127.0.0.1:1{rest}", words)


@pytest.mark.parametrize(
    ("host", "rest"),
    [
        ("127.0.0.1:1", "/db?bogus"),
        ("", "/db?host=127.0.0.1&port=x"),
        ("", "/db?host=127.0.0.1&port=99999"),
        ("..", "/db?sslmode=disable"),
    ],
)
def test_what_the_library_for_postgresql_does_not_take_is_told(host: str, rest: str) -> None:
    """Without the password, which its own error has in its frames."""
    pytest.importorskip("asyncpg", reason="an extra is not installed")
    refuse(f"postgresql://me:{PASSWORD}@{host}{rest}", "is not a valid URL of PostgreSQL")


def everything(error: BaseException) -> str:
    """Return all local variables of the package's frames of an error and of those before it."""
    texts = []
    for each in (error, error.__cause__, error.__context__):
        frames = traceback.walk_tb(each.__traceback__) if each is not None else ()
        texts += [
            repr(frame.f_locals) for frame, _ in frames if "enlighten_async" in frame.f_globals["__name__"]
        ]
    return "".join(texts)


@pytest.mark.parametrize("scheme", ["postgresql", "redis"])
def test_a_library_that_is_missing_is_named(scheme: str) -> None:
    """With the extra to install; in a process of its own, as this one has loaded it."""
    program = (
        "import sys; sys.modules.update(asyncpg=None, redis=None); "
        "from enlighten_async.clock import SystemClock; "
        "from enlighten_async.state import server_backend; "
        f"server_backend(lambda: '{scheme}://127.0.0.1/', SystemClock())"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    extra = {"postgresql": "postgres", "redis": "redis"}[scheme]
    assert "enlighten_async.errors.InputError" in done.stderr
    assert f'pip install "enlighten-async[{extra}]"' in done.stderr


@pytest.mark.parametrize(
    "url", [f"postgresql://me:{PASSWORD}@127.0.0.1:1/db", f"redis://:{PASSWORD}@127.0.0.1:1"]
)
def test_a_server_that_is_not_there_is_told_without_the_password(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """By the log and by the error."""
    pytest.importorskip("asyncpg" if url.startswith("p") else "redis", reason="an extra is not installed")

    async def ask() -> None:
        async with World().client(state=url) as client:
            await client.with_options(max_wait=1).systems()

    with pytest.raises(Exception, match="state cannot be reached") as caught:
        anyio.run(ask)
    told = "".join(traceback.format_exception(caught.value)) + everything(caught.value) + caplog.text
    assert "cannot be used" in told
    assert "CANARY" not in told


@pytest.mark.parametrize(("url", "extra"), [("redis://127.0.0.1:1", "redis"), ("postgresql://h", "asyncpg")])
def test_a_server_is_refused_on_trio(url: str, extra: str) -> None:
    """Before anything is asked, of the counts or of what is cached."""
    pytest.importorskip(extra, reason="an extra is not installed")
    world = World()

    async def ask() -> None:
        async with world.client(state=url) as client:
            for query in (client.systems(), client.rgm_stats(world.system, **world.days(1)), client.quota()):
                with pytest.raises(InputError, match="asyncio only"):
                    await query

    anyio.run(ask, backend="trio")
    assert world.emulator.counts.sent == 0


@pytest.mark.parametrize("name", ["InternalClientError", "AdminShutdownError", "ConnectionDoesNotExistError"])
async def test_work_is_done_again_where_the_connection_had_ended(
    name: str, monkeypatch: pytest.MonkeyPatch, anyio_backend_name: str
) -> None:
    """Once, and by another connection."""
    asyncpg = pytest.importorskip("asyncpg", reason="an extra is not installed")
    if anyio_backend_name == "trio":
        pytest.skip("asyncio only")
    backend = PostgresBackend(lambda: "postgresql://h", SystemClock())
    ended = [getattr(asyncpg, name)("it has ended"), None, getattr(asyncpg, name)("again")]

    async def work() -> str:
        if (error := ended.pop(0)) is not None:
            raise error
        return "done"

    for _ in range(2):
        monkeypatch.setattr(PostgresBackend, "connected", len(ended) == 3)
        if ended[1:]:
            assert await backend._bounded(work, 1.0) == "done"
        else:  # it had just been made
            with pytest.raises(DatabaseUnavailable, match="again"):
                await backend._bounded(work, 1.0)


@pytest.mark.parametrize(
    ("patience_s", "least", "most"), [(None, 5.0, 5.0), (3.0, 2.0, 3.0), (0.5, 1.0, 1.0)]
)
async def test_a_server_is_waited_for_as_long_as_the_caller_waits(
    patience_s: float | None, least: float, most: float, anyio_backend_name: str
) -> None:
    """By its `max_wait`, say, and for a second at the least: no cancel cuts the work off."""
    pytest.importorskip("asyncpg", reason="an extra is not installed")
    if anyio_backend_name == "trio":
        pytest.skip("asyncio only")
    told: list[float] = []

    class Told(PostgresBackend):
        async def _bounded(self, work: object, timeout_s: float) -> Any:
            told.append(timeout_s)

    async def work(connection: object) -> None:
        """Do nothing."""

    with anyio.move_on_after(patience_s):
        await Told(lambda: "postgresql://h", SystemClock()).perform(work, timeout_s=5.0)
    assert least <= told[0] <= most


async def test_a_pooler_that_mixes_sessions_is_told_in_one_line(anyio_backend_name: str) -> None:
    """The library's hints are about programs of its own users."""
    asyncpg = pytest.importorskip("asyncpg", reason="an extra is not installed")
    if anyio_backend_name == "trio":
        pytest.skip("asyncio only")
    backend = PostgresBackend(lambda: "postgresql://h", SystemClock())

    async def work() -> None:
        raise asyncpg.InvalidSQLStatementNameError("it does not exist\nHINT:\nset statement_cache_size")

    with pytest.raises(InputError, match=r"keep sessions apart .pool_mode session.: it does not exist$"):
        await backend._bounded(work, 1.0)


def test_redis_keeps_no_answers() -> None:
    """Who asks for them is told where they are kept."""
    pytest.importorskip("redis", reason="an extra is not installed")

    async def ask() -> None:
        async with World().client(state="redis://127.0.0.1:1") as client:
            await client.held("rgm_stats")

    with pytest.raises(InputError, match="nothing is cached: give the client state= .a file, or PostgreSQL"):
        anyio.run(ask)


def test_a_client_shows_no_password() -> None:
    """Nor do its parts."""
    pytest.importorskip("redis", reason="an extra is not installed")
    client = EnlightenClient(API_KEY, "u", state=f"redis://:{PASSWORD}@127.0.0.1:1")
    parts: list[Any] = [client, vars(client), client._in_state, vars(client._in_state)]
    assert "CANARY" not in "".join(map(repr, parts))


@pytest.mark.parametrize(
    ("url", "taken"),
    [
        ("redis://valkey.example:1/0", "redis://valkey.example:1/0"),
        ("valkey://valkey.example/0", "redis://valkey.example/0"),
        ("Valkeys://:valkey@host", "rediss://:valkey@host"),
    ],
)
def test_a_url_of_valkey_changes_in_its_scheme_alone(url: str, taken: str) -> None:
    """A host may have the word in its name."""
    assert redis_url(url) == taken
