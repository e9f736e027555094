"""Work that a cancel does not cut short."""

# ruff: noqa: D103  (names of tests and of what they bring are sentences)

from __future__ import annotations

import asyncio
import sys
from functools import partial
from types import ModuleType
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from enlighten_async.clock import in_trio, run_shielded
from enlighten_async.errors import InputError
from enlighten_async.transport import check_network


@pytest.fixture(params=["scope", "native"])
def cancelling(request: pytest.FixtureRequest, anyio_backend: str) -> bool:
    """Tell whether the cancel is a native one of asyncio."""
    native = request.param == "native"
    if native and anyio_backend == "trio":
        pytest.skip("trio cancels by scopes only")
    return native


async def shielded(work: Any, native: bool, started: anyio.Event) -> BaseException | Any:
    """Cancel a caller of `run_shielded` again and again while the work goes on; return what came of it."""
    outcome: list[Any] = []
    task: list[asyncio.Task[Any]] = []

    async def call() -> None:
        if native:
            current = asyncio.current_task()
            assert current is not None
            task.append(current)
        try:
            outcome.append(await run_shielded(work))
        except OSError as error:
            outcome.append(error)
        except asyncio.CancelledError as error:
            outcome.append(error)
            raise
        await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as group:
        group.start_soon(call)
        await started.wait()
        for _ in range(3):
            task[0].cancel() if native else group.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                await anyio.lowlevel.checkpoint()
    return outcome[0]


@pytest.mark.parametrize("fails", [False, True])
async def test_shielded_work_ends_despite_a_cancel(cancelling: bool, fails: bool) -> None:
    started, done = anyio.Event(), []

    async def work() -> str:
        started.set()
        await anyio.sleep(0.01)
        done.append(True)
        if fails:
            raise OSError("mine")
        return "result"

    outcome = await shielded(work, cancelling, started)
    assert done == [True]
    if cancelling:
        assert isinstance(outcome, asyncio.CancelledError)
    else:
        assert isinstance(outcome, OSError) if fails else outcome == "result"


async def test_shielded_work_gives_its_result_or_its_own_error() -> None:
    async def work(error: Exception | None) -> str:
        await anyio.lowlevel.checkpoint()
        if error is not None:
            raise error
        return "result"

    assert await run_shielded(partial(work, None)) == "result"
    mine = ValueError("mine")
    with pytest.raises(ValueError, match="mine") as caught:
        await run_shielded(partial(work, mine))
    assert caught.value is mine


async def test_deadline_inside_of_shielded_work_holds() -> None:
    async def work() -> bool:
        with anyio.move_on_after(0.01) as scope:
            await anyio.sleep_forever()
        return scope.cancelled_caught

    with anyio.fail_after(5):
        assert await run_shielded(work)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_trio_that_a_thread_is_loading_is_not_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trio", ModuleType("trio"))
    assert not in_trio()


def test_httpx_that_a_thread_is_loading_has_no_transports_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx", ModuleType("httpx"))
    with pytest.raises(InputError, match=r"httpx\.AsyncBaseTransport"):
        check_network(transport=object())
