"""What the tests of the command line share: a service on fake time, and commands run against it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from enlighten_async import EnlightenClient
from enlighten_async.cli.app import cli
from enlighten_async.cli.context import CommandContext, PipeConsole
from enlighten_async.emulator import Quota
from tests.world import World

TERMINAL = ("COLUMNS", "LINES", "TERM", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE")


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Forget the terminal the tests are run in, and the user's own folder."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    for name in TERMINAL:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """The command line runs on asyncio."""
    return "asyncio"


class Commands:
    """Runs commands against a service on fake time.

    Attributes:
        world: the service.
        charset: of the terminal.
        width: of the terminal; `None` where there is none.
        home: names the user's own state file.
        now: the time, as the commands have it.
    """

    def __init__(self, **settings: Any) -> None:
        settings.setdefault("quota", Quota.WATT)
        self.world = World(**settings)
        self.key = "0123456789abcdef0123456789abcdef"
        self.charset = "utf-8"
        self.width: int | None = None
        self.home: Callable[[], Path | None] = lambda: None
        self.now: Callable[[], float] = self.world.clock.now

    def __call__(self, *words: object) -> Result:
        """Run `enlighten` with these words."""
        emulated: dict[str, Any] = {**self.way, "environ": self.environ}
        wide = {} if self.width is None else {"out": PipeConsole(width=self.width, force_terminal=True)}
        context = CommandContext(
            connect=lambda _, **options: EnlightenClient.from_env(**emulated, **options),
            default_state=self.home,
            now=self.now,
            **wide,
        )
        runner = CliRunner(charset=self.charset)
        return runner.invoke(cli, [str(word) for word in words], obj=context, catch_exceptions=False)

    @property
    def way(self) -> dict[str, Any]:
        """The options that lead to the service."""
        return {"transport": self.world.emulator.transport(), "clock": self.world.clock}

    @property
    def environ(self) -> dict[str, str]:
        """The environment: credentials of the demo user."""
        return {"ENLIGHTEN_API_KEY": self.key, "ENLIGHTEN_USER_ID": self.world.emulator.demo_user}

    @property
    def sent(self) -> int:
        """How many requests reached the service."""
        return self.world.emulator.counts.sent


@pytest.fixture
def enlighten() -> Commands:
    """Commands of a user on the free plan, of a service that keeps to it."""
    return Commands()
