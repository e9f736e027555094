"""Projects of users: their settings and their tests, as the page shows them, in a pytest of their own."""

from __future__ import annotations

import re
from pathlib import Path

import anyio
import pytest

pytest_plugins = ["pytester"]

PAGE = (Path(__file__).parent.parent.parent / "docs" / "testing.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PLUGIN = 'pytest_plugins = ["enlighten_async.testing.fixtures"]\n'

SCOPE = "asyncio_default_fixture_loop_scope = function"
"""Without this setting pytest-asyncio warns."""
ASYNC_TEST = re.compile(r"^(?=async def test_)", re.MULTILINE)


def shown_tests() -> str:
    """Return the block of the page that has tests of all kinds."""
    (block,) = (
        text for language, text in BLOCK.findall(PAGE) if language == "python" and "respx_mock" in text
    )
    return block


def backends() -> int:
    """Return the number of event loops on which anyio's plugin runs a test by default."""
    return len(anyio.get_all_backends())


@pytest.mark.parametrize(
    ("settings", "mark"),
    [
        (f"asyncio_mode = strict\n{SCOPE}", "@pytest.mark.asyncio\n"),
        (f"asyncio_mode = auto\n{SCOPE}", ""),
        pytest.param("anyio_mode = auto", "", marks=pytest.mark.slow),
        pytest.param("", "@pytest.mark.anyio\n", marks=pytest.mark.slow),
    ],
    ids=["pytest-asyncio strict", "pytest-asyncio auto", "anyio auto", "anyio marks"],
)
def test_a_project_runs_the_tests_of_the_page(pytester: pytest.Pytester, settings: str, mark: str) -> None:
    """The fixtures of the emulator, `respx_mock`, and a request that nobody mocked, which fails at once."""
    pytester.makeini(f"[pytest]\n{settings}\nfilterwarnings = error\n")
    pytester.makeconftest(PLUGIN)
    text = ASYNC_TEST.sub(mark, shown_tests())
    pytester.makepyfile(f"import pytest\n{text}")
    other = "anyio" if "asyncio" in settings else "asyncio"
    options = ("-p", "no:cacheprovider", "-p", f"no:{other}")
    result = pytester.runpytest_subprocess(*options, timeout=60)
    result.assert_outcomes(passed=text.count("def test_") * (1 if "asyncio" in settings else backends()))


def test_a_real_host_is_refused_at_once(pytester: pytest.Pytester) -> None:
    """Without a mock no connection is made, and the failure names what to do; the key is not in it."""
    pytester.makeini("[pytest]\nasyncio_mode = auto\n")
    pytester.makeconftest(PLUGIN)
    pytester.makepyfile(
        """
        from enlighten_async import EnlightenClient

        async def test_unmocked():
            async with EnlightenClient("k3y-CANARY", "u5er-CANARY") as client:
                await client.summary(1765)

        async def test_unmocked_by_respx(respx_mock):
            async with EnlightenClient("k3y-CANARY", "u5er-CANARY") as client:
                await client.summary(1765)
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "--tb=short", timeout=60)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines_random(
        [
            "E*AssertionError: this test would have sent a request to api.enphaseenergy.com*",
            "E*AssertionError: RESPX: <Request('GET', 'https://api.enphaseenergy.com/*not mocked!",
        ]
    )
    assert "CANARY" not in re.sub(r'^.*EnlightenClient\("k3y.*$', "", result.stdout.str(), flags=re.MULTILINE)
