"""Backends on a server, for the processes of any number of machines: PostgreSQL, Redis, Valkey."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
import re
import secrets
import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import anyio

from enlighten_async.clock import in_trio, run_shielded
from enlighten_async.errors import MASK, InputError
from enlighten_async.lazy import LazyModule
from enlighten_async.state.backend import Moment
from enlighten_async.state.inspect import DatabaseUnavailable
from enlighten_async.state.migrations import DatabaseCorrupt
from enlighten_async.state.threads import in_thread

if TYPE_CHECKING:
    import asyncpg
    import redis
    from redis.asyncio import ConnectionPool, Redis

    from enlighten_async.clock import Clock
    from enlighten_async.state.backend import AnswerStore, Change, Name
else:  # extras
    asyncpg, redis = LazyModule("asyncpg"), LazyModule("redis")

T = TypeVar("T")

logger = logging.getLogger("enlighten_async")

MIN_TIMEOUT_S = 1.0
"""Seconds for which a server is waited for at the least."""

_URL = re.compile(r"""\s*["']?([a-z][a-z0-9+.-]*://|(postgres(ql)?|rediss?|valkeys?):)""", re.IGNORECASE)
"""Begin of a URL, or of a text that was meant to be one: it may hold a password, and is no path."""


def is_url(state: str) -> bool:
    """Tell whether a state is named by a URL, not by the path of a file."""
    return _URL.match(state) is not None


def is_postgres(url: str) -> bool:
    """Tell whether a URL is one of PostgreSQL, which keeps more than counts."""
    return url.partition(":")[0].lower() in {"postgresql", "postgres"}


def _parts(url: Callable[[], str]) -> SplitResult | None:
    """Return the parts of a URL; `None` if it is not valid: no frame of the caller's error knows it.

    A special character of a password that is not written as `%40` would make part of it a host or a path.
    """
    try:
        parts = urlsplit(url())
        _ = parts.port  # raises where it is no number
    except ValueError:
        return None
    whole = "://" in url() and not parts.fragment and "@" not in parts.path and parts.netloc.count("@") < 2
    return parts if whole else None


_NO_URL = (
    "this is not a valid URL: give one such as postgresql://user@host/database, without quotes or blanks; in "
    "a password @ is written as %40, / as %2F, # as %23, ? as %3F"
)


class ServerUrl:
    """The URL of a server, whose password is shown nowhere.

    Args:
        url: returns it, as `Secret.reveal` does.

    Attributes:
        reveal: returns it.
        host: name or address of the server; empty where the URL names none.
        has_sslmode: whether it says how the certificate is verified.

    Raises:
        InputError: it is no valid URL.
    """

    def __init__(self, url: Callable[[], str]) -> None:
        self.reveal, self._shown = url, "no valid URL"
        parts = _parts(url)
        if parts is None:
            raise InputError(_NO_URL)
        port, self.host = parts.port, parts.hostname or ""
        where = f"[{self.host}]" if ":" in self.host else self.host
        self._shown = f"{parts.scheme}://{where}{'' if port is None else f':{port}'}{parts.path}"
        self.has_sslmode = "sslmode" in parse_qs(parts.query)

    def __repr__(self) -> str:
        return f"<ServerUrl {self}>"

    def __str__(self) -> str:
        return self._shown

    def masked(self, text: str) -> str:
        """Return a text of others with the password in it masked."""
        parts = urlsplit(self.reveal())
        passwords = [parts.password or "", *re.findall(r"(?:^|&)\w*password=([^&]*)", parts.query)]
        for password in sorted(filter(None, {*passwords, *map(unquote, passwords)}), key=len, reverse=True):
            text = text.replace(password, MASK)
        return text

    @property
    def is_local(self) -> bool:
        """Whether the server is on this machine, as far as the URL and the variables of libpq say."""
        asked = parse_qs(urlsplit(self.reveal()).query)
        if not self.host and "service" in asked:
            return False  # its file may name any host
        named = self.host or asked.get("host", [""])[-1]
        if not named and is_postgres(self.reveal()):
            named = os.environ.get("PGHOST", "")
        return all(map(_is_local, named.split(",")))


def _is_local(host: str) -> bool:
    """Tell whether a host is this machine: so are one that is not named, and a socket, which has a path."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in {"", "localhost"} or host.startswith("/")


def _parsed(read: Callable[[str], T], text: str) -> T:
    """Return what a text means that is ours, unless another program has written there.

    Raises:
        DatabaseCorrupt: it means nothing.
    """
    try:
        return read(text)
    except ValueError:
        raise DatabaseCorrupt("a version or a salt that cannot be read") from None


class ServerBackend(ABC):
    """A backend on a server, for one event loop of asyncio: one update after another, none cut by a cancel.

    Args:
        url: returns the URL.
        clock: the source of time.

    Raises:
        InputError: the URL is not valid, or the library for it is not installed.
    """

    remote = True

    def __init__(self, url: Callable[[], str], clock: Clock) -> None:
        self._url = ServerUrl(url)
        self._clock = clock
        self._turn, self._process = asyncio.Lock(), os.getpid()
        self._errors: tuple[type[Exception], ...] = (OSError, *self._require_library())

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"

    def __str__(self) -> str:
        return str(self._url) if hasattr(self, "_url") else "no server yet"

    async def update(
        self, name: Name, change: Change, *, timeout_s: float, keeps_answers: bool = False
    ) -> None:
        """Change a text.

        Raises:
            DatabaseUnavailable: the server cannot be reached, or fails.
            InputError: it refuses the user, say; the text says why; or this is not asyncio.
        """

        async def updated() -> None:
            await self._update(name, change)
            change.committed()

        await self._in_turn(updated, timeout_s)

    async def aclose(self) -> None:
        """Close the connection; it is opened again when it is needed."""
        await self._disconnect()

    def begin_anew(self) -> None:
        """Forget the connection, which is the parent process's."""
        self._turn, self._process = asyncio.Lock(), os.getpid()

    async def _in_turn(self, work: Callable[[], Coroutine[object, None, T]], timeout_s: float) -> T:
        """Do some work when nobody else of this process does; no cancel cuts it off.

        Where the caller's time is up earlier, the server is waited for until then, or `MIN_TIMEOUT_S`.
        """
        if in_trio():
            raise InputError(f"{self} can be used on asyncio only: on trio, name a file for the state")
        if self._process != os.getpid():
            self.begin_anew()
        async with self._turn:
            patience_s = anyio.current_effective_deadline() - anyio.current_time()
            timeout_s = max(MIN_TIMEOUT_S, min(timeout_s, patience_s))
            return await run_shielded(partial(self._bounded, work, timeout_s))

    async def _bounded(self, work: Callable[[], Coroutine[object, None, T]], timeout_s: float) -> T:
        """Do some work at the server; what fails is told in our words."""
        failure: Exception
        try:
            async with asyncio.timeout(timeout_s):
                return await work()
        except TimeoutError:
            failure = DatabaseUnavailable(f"no answer for {timeout_s:g} s")
        except InputError as error:  # such as a newer schema: to be found again by whoever tries again
            failure = error
        except DatabaseCorrupt as error:
            failure = InputError(f"{self} has {error}: another program has written it, or it is damaged")
        except self._errors as error:
            failure = self._meaning(error, self.described(error))
        await self._disconnect()
        raise failure  # outside of `except`: the frames of the first error know the password

    def described(self, error: Exception) -> str:
        """Return the text of an error of the server, without its hints, and without the password."""
        return self._url.masked(str(error).partition("\n")[0] or type(error).__name__)

    def _require_known(self, version: int, newest: int) -> None:
        """Raise `InputError` if the schema of the state is newer than the newest that is known here."""
        if version > newest:
            raise InputError(
                f"{self} was made by a newer version of enlighten_async (its schema version is {version}, "
                f"this version knows {newest}): update, or name another database"
            )

    @abstractmethod
    def _require_library(self) -> tuple[type[Exception], ...]:
        """Return the errors of the library; raise `InputError` if it is not installed."""

    @abstractmethod
    async def _update(self, name: Name, change: Change) -> None:
        """Change a text."""

    @abstractmethod
    async def _disconnect(self) -> None:
        """Close the connection, whatever state it is in."""

    @abstractmethod
    def _meaning(self, error: Exception, text: str) -> Exception:
        """Return an error of ours for one of the library or the network, whose text is masked."""


# PostgreSQL

POSTGRES_MIGRATIONS = (
    "CREATE TABLE enlighten_texts (name bytea PRIMARY KEY, text text NOT NULL)",
    # The cache: series, their spans, and replies that are no series, as in the state file.
    """
    CREATE TABLE enlighten_series (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        account bytea NOT NULL,
        endpoint text NOT NULL,
        system_id bigint NOT NULL,
        device text NOT NULL,
        UNIQUE (account, endpoint, system_id, device)
    );
    CREATE TABLE enlighten_stretches (
        series bigint NOT NULL,
        start bigint NOT NULL,
        stop bigint NOT NULL,
        fetched double precision NOT NULL,
        reported double precision,
        started double precision,
        empty text,
        since double precision,
        body bytea NOT NULL,
        PRIMARY KEY (series, start)
    );
    CREATE TABLE enlighten_replies (
        account bytea NOT NULL,
        endpoint text NOT NULL,
        asked text NOT NULL,
        fetched double precision NOT NULL,
        final boolean NOT NULL,
        status integer NOT NULL,
        content_type text NOT NULL,
        body bytea NOT NULL,
        since double precision,
        PRIMARY KEY (account, endpoint, asked)
    )
    """,
    # The tokens of accounts, by the account's name in UTF-8: a JSON object, as `Tokens.reveal` has it.
    "CREATE TABLE enlighten_tokens (account bytea PRIMARY KEY, tokens text NOT NULL)",
    # The leases of fleets on their shards, and the processes that share a fleet.
    """
    CREATE TABLE enlighten_leases (
        fleet text NOT NULL,
        shard integer NOT NULL,
        worker text NOT NULL DEFAULT '',
        fence bigint NOT NULL DEFAULT 0,
        until timestamptz NOT NULL DEFAULT '-infinity',
        PRIMARY KEY (fleet, shard)
    );
    CREATE TABLE enlighten_workers (
        fleet text NOT NULL,
        worker text NOT NULL,
        until timestamptz NOT NULL,
        PRIMARY KEY (fleet, worker)
    )
    """,
)
"""The statements of each step. A released step is never changed: new ones are appended."""

_CREATE_META = "CREATE TABLE IF NOT EXISTS enlighten_meta (name text PRIMARY KEY, value text NOT NULL)"
_UPSERT_META = """
    INSERT INTO enlighten_meta VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value
"""
_SELECT_TEXT = """
    SELECT (SELECT text FROM enlighten_texts WHERE name = $1), extract(epoch FROM clock_timestamp())::float8
"""
_UPSERT_TEXT = """
    INSERT INTO enlighten_texts VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET text = excluded.text
"""
_KEEP_ALIVE = """
    SELECT set_config('tcp_keepalives_idle', '10', false), set_config('tcp_keepalives_interval', '5', false),
        set_config('tcp_keepalives_count', '3', false)
"""
"""Has the server notice within half a minute that a machine is gone: its locks come free."""
_LOCK = "SELECT pg_advisory_xact_lock($1)"
_LOCK_OF_TABLES = 0x454E4C41
"""Number of the advisory lock under which the tables are made: "ENLA"."""

CLOSE_TIMEOUT_S = 1.0
"""Seconds for which the end of a connection is waited for."""


class ConnectionLost(DatabaseUnavailable):
    """The connection has ended: the server was started anew, say, or ends those that are idle."""


class PostgresBackend(ServerBackend):
    """The texts, and for others the connection, to a database whose tables are made when they are missing.

    Their names begin with "enlighten_".

    An update is one transaction under an advisory lock of the text's name. Where the connection breaks in
    the midst of a commit, what was to be committed is written again: counts may then be too high, never too
    low.

    What the URL `postgresql://user@host/database` does not say is taken from the variables and files of
    libpq, such as `PGPASSFILE`. The certificate of a server elsewhere is verified by the system's
    authorities, unless the URL has an `sslmode`.

    Attributes:
        answers: the place for the answers that follow from what is updated; `None`: they are kept elsewhere.
    """

    answers: AnswerStore | None = None
    _connection: asyncpg.Connection | None = None
    _context: ssl.SSLContext | None = None
    _salt = b""

    async def update(
        self, name: Name, change: Change, *, timeout_s: float, keeps_answers: bool = False
    ) -> None:
        """Change a text.

        Raises:
            DatabaseFull: with `keeps_answers`, that there is no room for answers; nothing is changed.
            DatabaseUnavailable: the server cannot be reached, or fails.
            InputError: it refuses the user, say; the text says why; or this is not asyncio.
        """
        if keeps_answers and self.answers is not None:
            await self.answers.require_room()
        await super().update(name, change, timeout_s=timeout_s)

    def begin_anew(self) -> None:
        """Forget the connection, which is the parent process's."""
        super().begin_anew()
        self._connection = None

    @property
    def salt(self) -> bytes:
        """The database's own random bytes, when it has been connected to."""
        return self._salt

    @property
    def connected(self) -> bool:
        """Whether there is a connection."""
        return self._connection is not None

    def another(self) -> PostgresBackend:
        """Return a backend of the same database with a connection of its own."""
        return PostgresBackend(self._url.reveal, self._clock)

    async def perform(
        self, work: Callable[[asyncpg.Connection], Coroutine[object, None, T]], *, timeout_s: float
    ) -> T:
        """Do some work with the connection, outside of a transaction; no cancel cuts it off.

        Args:
            work: the work; an error of it that is not the server's is raised as it is.
            timeout_s: seconds it may take.

        Raises:
            DatabaseUnavailable: the server cannot be reached, or fails.
            InputError: it refuses the user, say; the text says why; or this is not asyncio.
        """

        async def performed() -> T:
            return await work(await self._connected())

        return await self._in_turn(performed, timeout_s)

    def terminate(self) -> None:
        """Close the connection at once; it is opened again when it is needed."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    def is_fault(self, error: Exception) -> bool:
        """Tell whether an error was caused by the server, not by the work that was done there."""
        return isinstance(error, self._errors) and not isinstance(error, asyncpg.DataError)

    async def _update(self, name: Name, change: Change) -> None:
        connection = await self._connected()
        found = name(self._salt)
        async with connection.transaction():
            await connection.execute(_LOCK, int.from_bytes(found[:8], "big", signed=True))
            asked_at = self._clock.monotonic()
            text, now = await connection.fetchrow(_SELECT_TEXT, found)
            age = self._clock.monotonic() - asked_at
            new = change.apply(text, Moment(now, now, age, home=self._salt))
            if new is not None:
                await connection.execute(_UPSERT_TEXT, found, new)

    async def _bounded(self, work: Callable[[], Coroutine[object, None, T]], timeout_s: float) -> T:
        """Do some work at the server; again, where it turns out that the connection was lost before."""
        if self.connected:
            try:
                return await super()._bounded(work, timeout_s)
            except ConnectionLost as lost:
                logger.debug("%s is connected to anew: %s", self, lost)
        return await super()._bounded(work, timeout_s)

    async def _connected(self) -> asyncpg.Connection:
        """Return the connection, opened anew if it is closed, to tables of the newest schema."""
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._opened()
            await self._connection.execute(_KEEP_ALIVE)
            async with self._connection.transaction():
                await self._connection.execute(_LOCK, _LOCK_OF_TABLES)
                self._salt = await self._migrated(self._connection)
        return self._connection

    async def _opened(self) -> asyncpg.Connection:
        """Return a new connection.

        Raises:
            InputError: the URL has an option, a port or a host that cannot be.
        """
        context = await self._tls()
        try:
            return await asyncpg.connect(self._url.reveal(), ssl=context)
        except (ValueError, OverflowError) as error:
            told = self.described(error)
        # Outside of `except`: the frames of the library's error know the password.
        raise InputError(f"{self} is not a valid URL of PostgreSQL: {told}")

    async def _tls(self) -> ssl.SSLContext | None:
        """Return what verifies the certificate of a server elsewhere; `None`: the URL does, or it is here.

        The authorities are read once, in a thread: that takes a twentieth of a second and more.
        """
        if self._url.is_local or self._url.has_sslmode:
            return None
        if self._context is None:
            self._context = await in_thread(ssl.create_default_context)
        return self._context

    async def _migrated(self, connection: asyncpg.Connection) -> bytes:
        """Bring the tables to the newest schema, and return the salt."""
        if await connection.fetchval("SELECT to_regclass('enlighten_meta') IS NULL"):
            await connection.execute(_CREATE_META)
        known = dict(await connection.fetch("SELECT name, value FROM enlighten_meta"))
        version = _parsed(int, known.get("version", "0"))
        self._require_known(version, len(POSTGRES_MIGRATIONS))
        salt = known.get("salt", "no salt" if version else secrets.token_hex(32))
        for statement in POSTGRES_MIGRATIONS[version:]:
            await connection.execute(statement)
        if version < len(POSTGRES_MIGRATIONS):
            await connection.executemany(
                _UPSERT_META, [("salt", salt), ("version", str(len(POSTGRES_MIGRATIONS)))]
            )
        return _parsed(bytes.fromhex, salt)

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                await connection.close(timeout=CLOSE_TIMEOUT_S)
            except self._errors:
                connection.terminate()

    def _require_library(self) -> tuple[type[Exception], ...]:
        try:
            return asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError
        except ImportError:
            raise InputError('PostgreSQL needs asyncpg: pip install "enlighten-async[postgres]"') from None

    def _meaning(self, error: Exception, text: str) -> Exception:
        refusals = (
            asyncpg.InvalidAuthorizationSpecificationError,
            asyncpg.InvalidCatalogNameError,
            asyncpg.InvalidSchemaNameError,
            asyncpg.SyntaxOrAccessError,  # such as no right to make tables, or other tables of these names
            asyncpg.ClientConfigurationError,
            ssl.SSLCertVerificationError,
        )
        pooled = asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError
        if isinstance(error, pooled):
            return InputError(
                f"{self}: a pooler between has to keep sessions apart (pool_mode session): {text}"
            )
        # Tables that were dropped are made anew by the next connection.
        if isinstance(error, refusals) and not isinstance(error, asyncpg.UndefinedTableError):
            return InputError(
                f"{self} cannot keep the state ({text}): check URL, user, password and what the user may do"
            )
        lost = (
            asyncpg.PostgresConnectionError,
            asyncpg.OperatorInterventionError,
            asyncpg.InterfaceError,
            asyncpg.InternalClientError,  # the end of an idle connection was not read in time
            ConnectionError,
        )
        return ConnectionLost(text) if isinstance(error, lost) else DatabaseUnavailable(text)


# Redis and Valkey

_PREFIX = "{enlighten_async}:1:"
"""Of all names: the braces keep them in one slot of a cluster, and the number is that of the format."""

_SALT = f"{_PREFIX}salt"

_VERSION = "{enlighten_async}:version"
"""Holds the number of the schema; where there is none, it is the first."""

REDIS_VERSION = 1
"""The newest schema that is known here."""

_READ_SCRIPT = """
redis.call('SET', KEYS[1], ARGV[1], 'NX')
local time = redis.call('TIME')
return {redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2]), time[1], time[2]}
"""
"""Returns the salt, which it makes if there is none, a text, and the time."""

_REPLACE_SCRIPT = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] or (redis.call('GET', KEYS[2]) or '') ~= ARGV[2] then
    return 0
end
redis.call('SET', KEYS[2], ARGV[3])
return 1
"""
"""Replaces a text, if it is still what it was; returns whether it did. The text begins with the mark of its
update, which no other has."""

_warned: set[str] = set()


def redis_url(url: str) -> str:
    """Return a URL of Valkey as the library for Redis, which speaks to both, takes it."""
    return re.sub("^valkey", "redis", url, flags=re.IGNORECASE)


class RedisBackend(ServerBackend):
    """The texts under names with a prefix of their own; they never expire.

    An update reads the text, and replaces it if nobody else has changed it meanwhile; else it begins again.
    A server that does not append to a file forgets what was spent when it ends: the log says so once, and a
    month whose counts are lost is not known. The certificate of a `rediss://` server is verified.
    """

    _server: Redis | None = None
    _salt = ""
    _durable = False

    def begin_anew(self) -> None:
        """Forget the connection, which is the parent process's."""
        super().begin_anew()
        self._server = None

    async def _update(self, name: Name, change: Change) -> None:
        server, mark = await self._connected(), secrets.token_hex(8)
        while True:
            key, found, moment = await self._read(server, name)
            if found.startswith(mark):
                return  # it was replaced, and the answer was lost
            text = change.apply(found.partition(":")[2] or None, moment)
            values = self._salt, found, f"{mark}:{text}"
            if text is None or await self._eval(server, _REPLACE_SCRIPT, key, *values):
                return

    async def _read(self, server: Redis, name: Name) -> tuple[str, str, Moment]:
        """Return the name of a text, the text with the mark of its update, and the server's time."""
        while True:
            key = _PREFIX + name(_parsed(bytes.fromhex, self._salt)).hex()
            asked_at = self._clock.monotonic()
            found = await self._eval(server, _READ_SCRIPT, key, self._salt or secrets.token_hex(32))
            salt, text, seconds, microseconds = found
            if salt == self._salt:
                now = int(seconds) + int(microseconds) / 1e6
                age = self._clock.monotonic() - asked_at
                return key, text or "", Moment(now, now, age, home=salt, durable=self._durable)
            self._salt = salt  # another than before: the server has lost everything meanwhile

    @staticmethod
    async def _eval(server: Redis, script: str, key: str, *values: str) -> Any:
        return await server.eval(script, 2, _SALT, key, *values)

    async def _connected(self) -> Redis:
        """Return the connections, opened anew if need be."""
        if self._server is None:
            self._server = self._client()
            await _share_authorities(self._server.connection_pool)
            self._require_known(_parsed(int, await self._server.get(_VERSION) or "1"), REDIS_VERSION)
            appends = (await self._server.info("persistence")).get("aof_enabled")
            memory = await self._server.info("memory")
            evicts = memory.get("maxmemory") and str(memory.get("maxmemory_policy")).startswith("allkeys")
            self._durable = bool(appends and not evicts)
            if not self._durable and str(self) not in _warned:
                _warned.add(str(self))
                logger.warning(_FORGETS, self, *(_EVICTS if appends else _APPENDS_NOT))
        return self._server

    def _client(self) -> Redis:
        """Return the library's client, which is not connected yet.

        Raises:
            InputError: the URL has an option or a database that the library does not take.
        """
        made = _redis_client(self._url.reveal)
        if isinstance(made, str):
            raise InputError(f"{self} is not a valid URL of Redis: {self._url.masked(made)}")
        return made

    async def _disconnect(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            await server.aclose()

    def _require_library(self) -> tuple[type[Exception], ...]:
        try:
            return (redis.RedisError,)
        except ImportError:
            raise InputError('Redis needs redis-py: pip install "enlighten-async[redis]"') from None

    def _meaning(self, error: Exception, text: str) -> Exception:
        refusals = (
            redis.exceptions.AuthenticationError,
            redis.exceptions.AuthorizationError,
            redis.exceptions.NoPermissionError,
            redis.exceptions.MovedError,
        )
        if isinstance(error, redis.exceptions.MovedError):
            text = f"it is one of a cluster, and the counts belong to another node: {text}"
        if isinstance(error, refusals) or text.startswith(_REFUSED) or _UNTRUSTED in text:
            return InputError(
                f"{self} cannot keep the state ({text}): check URL, user, password and what the user may do"
            )
        return DatabaseUnavailable(text)


_REFUSED = ("DB index is out of range", "unknown command", "WRONGTYPE")
"""Begins of errors of Redis that another attempt does not change; the library has no classes for them."""

_UNTRUSTED = "CERTIFICATE_VERIFY_FAILED"

_FORGETS = (
    "%s %s it forgets how much of the month is spent, and with a plan that limits the month nothing is sent "
    "then until set_month_used tells: set %s there, or keep the state in PostgreSQL or in a file"
)
_APPENDS_NOT = "appends to no file (appendonly is off): when it ends", "appendonly yes"
_EVICTS = "evicts what it holds (maxmemory-policy): when it is full", "maxmemory-policy noeviction"


def _redis_client(url: Callable[[], str]) -> Redis | str:
    """Return a client, or why there is none: no frame of the caller's error knows the URL."""
    if not re.fullmatch(r"/?[0-9]*", urlsplit(url()).path):
        return "after the host it has the number of a database, or nothing"  # the library would take 0
    try:
        retry = redis.asyncio.retry.Retry(redis.backoff.NoBackoff(), 1)
        client = redis.asyncio.Redis.from_url(redis_url(url()), decode_responses=True, retry=retry)
        client.connection_pool.make_connection()  # which finds options that are not known
    except (redis.RedisError, TypeError, ValueError) as error:
        return str(error)
    return client


async def _share_authorities(pool: ConnectionPool) -> None:
    """Have all connections verify the server by authorities that are read once, in a thread.

    Each would read them by itself, in the event loop.
    """
    shared, kind = getattr(pool.make_connection(), "ssl_context", None), pool.connection_class
    if shared is None:
        return
    await in_thread(shared.get)

    class Sharing(kind):  # type: ignore[misc, valid-type]
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.ssl_context = shared

    pool.connection_class = Sharing


def server_backend(url: Callable[[], str], clock: Clock) -> ServerBackend:
    """Return the backend of a URL.

    Args:
        url: returns the URL.
        clock: the source of time.

    Raises:
        InputError: the URL is not valid, or of a kind that is not known, or the library is not installed.
    """
    scheme = url().partition(":")[0].lower()
    if is_postgres(url()):
        return PostgresBackend(url, clock)
    if scheme in {"redis", "rediss", "valkey", "valkeys"}:
        return RedisBackend(url, clock)
    if not re.fullmatch("[a-z0-9+.-]+", scheme):
        raise InputError(_NO_URL)
    raise InputError(
        f"state cannot be a {scheme}:// URL: give the path of a file, or a URL of postgresql://, redis:// or "
        "rediss://"
    )
