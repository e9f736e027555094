"""The project's type checker reports a method of the client that does not fit the API."""

from __future__ import annotations

from pathlib import Path

import pytest
from mypy import api as mypy

ROOT = Path(__file__).parents[2]
MODULE = '''
from typing import Unpack

from enlighten_async import Battery, Envoys, InvertersSummary, RgmStats, Stats
from enlighten_async.api.ranges import TimeRange
from enlighten_async.client.endpoints import Endpoints, parse_system_id
from enlighten_async.client.endpoints_v4 import EndpointsV4
from enlighten_async.query import Query


class Wrong(Endpoints, EndpointsV4):
    """A client with one more method for each snippet."""

    def fine(self, system_id: int, **range_: Unpack[TimeRange]) -> Query[RgmStats, RgmStats]:
        """Fits."""
        return self._query(self._api.rgm_stats(parse_system_id(system_id), **range_))

    def method(self, system_id: int, **range_: Unpack[TimeRange]) -> {answer}:
        """Return the query of the snippet."""
        return self._query({call})
'''
OK = "Query[RgmStats, RgmStats]"
SNIPPETS = {
    "a name that the API does not have": ("self._api.rgm_statz(1765, **range_)", OK, "attr-defined"),
    "a name that only v4 has": (
        "self._api.battery(1765, **range_)",
        "Query[Battery, Battery]",
        "attr-defined",
    ),
    "a name that v4 does not have": ("self._v4.batteries(1765)", "Query[Battery, Battery]", "attr-defined"),
    "an argument of another type": ('self._api.rgm_stats("1765", **range_)', OK, "arg-type"),
    "an argument too many": ("self._api.envoys(1765, 5)", "Query[Envoys, Envoys]", "call-arg"),
    "a keyword that there is not": ('self._api.rgm_stats(1765, colour="blue")', OK, "call-arg"),
    "a start that is no instant": ('self._api.rgm_stats(1765, start_at="now")', OK, "arg-type"),
    "another answer": ("self._api.stats(1765, **range_)", "Query[InvertersSummary, Envoys]", "arg-type"),
    "another item": ("self._api.rgm_stats(1765, **range_)", "Query[Stats, RgmStats]", "arg-type"),
    "another answer of v4": ("self._v4.battery(1765, **range_)", "Query[Battery, Stats]", "arg-type"),
}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_method_that_does_not_fit_is_reported(tmp_path: Path) -> None:
    """By the project's own settings, each in the line where it is; the method that fits is not."""
    files = {name: tmp_path / f"snippet_{number}.py" for number, name in enumerate(SNIPPETS)}
    for name, (call, answer, _) in SNIPPETS.items():
        files[name].write_text(MODULE.format(call=call, answer=answer))
    settings = ("--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(tmp_path / "cache"))
    report, _, _ = mypy.run([*settings, *map(str, files.values())])
    for name, (_, _, code) in SNIPPETS.items():
        found = [line for line in report.splitlines() if files[name].name in line and ": error:" in line]
        assert len(found) == 1, (name, report)
        assert found[0].endswith(f"[{code}]"), (name, found)
