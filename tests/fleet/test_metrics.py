"""Figures of a run, as Prometheus gets them."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from enlighten_async import InputError
from enlighten_async.cache import MemoryCache
from enlighten_async.fleet import Change, Fleet, FleetMetrics, FleetStatus
from enlighten_async.fleet.metrics import serve
from tests.fleet.sinks.changes import START, change
from tests.state.servers import free_port
from tests.world import World


class Memory:
    """A sink that fails at first."""

    def __init__(self, failures: int = 0) -> None:
        self.failures, self.written = failures, list[Change]()

    async def cursors(self, series: str) -> dict[int, Any]:
        """Return those of what was written."""
        return {each.system_id: each.until for each in self.written}

    async def write(self, changes: Sequence[Change]) -> None:
        """Keep them, or fail."""
        if self.failures:
            self.failures -= 1
            raise OSError(28, "no space left on device")
        self.written += changes


def figures(metrics: FleetMetrics) -> dict[tuple[str, str], float]:
    """Return the figures as Prometheus reads them, by name and label."""
    registry = CollectorRegistry()
    registry.register(metrics)
    text = generate_latest(registry).decode()
    return {
        (sample.name, "".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_what_a_run_does_is_told() -> None:
    """Rows, corrections, requests, failures of the sink, and how old rows are; nothing of one system."""
    world = World(now=START + 0.8 * 86_400, systems=3, users=1)
    metrics = FleetMetrics(Memory(failures=1), world.clock)
    options = {"interval_cache": MemoryCache(), "on_response": metrics.hear}
    async with world.v4(**options) as client:
        await Fleet(client, "rgm_stats", every=timedelta(hours=1)).run(metrics, once=True)
        metrics.systems, metrics.quota = 4, await client.quota()
    found = figures(metrics)
    sink = metrics.sink
    assert isinstance(sink, Memory)
    held = {each.system_id for each in sink.written}
    assert found["enlighten_fleet_rows_total", "new"] == sum(len(each.rows) for each in sink.written) > 0
    assert found["enlighten_fleet_rows_total", "corrected"] == 0
    assert found["enlighten_fleet_requests_total", "ok"] == world.emulator.counts.sent
    assert found["enlighten_fleet_systems", "held"] == len(held)
    assert found["enlighten_fleet_systems", "new"] == 4 - len(held)
    assert found["enlighten_fleet_sink_failures_total", ""] == 1
    assert found["enlighten_fleet_sink_seconds_count", ""] >= 2
    assert found["enlighten_fleet_sink_seconds_sum", ""] == 0
    assert found["enlighten_fleet_quota_left", "minute"] > 0
    ages = [found["enlighten_fleet_freshness_seconds", quantile] for quantile in ("0.5", "0.95", "1.0")]
    assert 0 < ages[0] <= ages[1] <= ages[2]
    assert len(found) < 25


async def test_a_write_that_is_under_way_has_not_failed() -> None:
    """A counter of Prometheus never goes down."""
    told = list[int]()

    class Watched(Memory):
        """A sink that looks at the figures while it writes."""

        async def write(self, changes: Sequence[Change]) -> None:
            """Note how many writes have failed so far."""
            told.append(metrics.failed_writes)

    metrics = FleetMetrics(Watched())
    await metrics.write([change(1, 0, 1)])
    assert (told, metrics.failed_writes, metrics.writes) == ([0], 0, 1)


async def test_freshness_is_that_of_cursors() -> None:
    """By rank: of three systems the second one is the median."""
    world = World(now=START + 10_000.0)
    sink = Memory()
    await sink.write([change(1, 0, 1), change(2, 0, 4), change(3, 0, 11)])
    metrics = FleetMetrics(sink, world.clock)
    assert metrics.freshness() == {}
    await metrics.cursors("rgm_stats")
    assert metrics.freshness() == {0.5: 10_000 - 3_600, 0.95: 10_000 - 900, 1.0: 10_000 - 900}


def test_what_is_due_and_held_is_told() -> None:
    """As the fleet's status tells; leases only where there are some."""
    metrics = FleetMetrics(Memory())
    assert not [name for name, _ in figures(metrics) if "due" in name or "lag" in name]
    told = FleetStatus(due=3, lag=timedelta(seconds=90), backfill_left=7)
    metrics.status = lambda: told
    found = figures(metrics)
    assert found["enlighten_fleet_due", ""] == 3
    assert found["enlighten_fleet_lag_seconds", ""] == 90
    assert found["enlighten_fleet_backfill_left", ""] == 7
    assert ("enlighten_fleet_leases", "") not in found
    told = FleetStatus(leases=32)
    assert figures(metrics)["enlighten_fleet_leases", ""] == 32


def test_metrics_are_served() -> None:
    """As text that Prometheus reads; an address that is none is refused."""
    port = free_port()
    serve(FleetMetrics(Memory()), f"127.0.0.1:{port}")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        assert b"enlighten_fleet_rows_total" in answer.read()
    with pytest.raises(OSError, match=f"in use: '127.0.0.1:{port}'"):
        serve(FleetMetrics(Memory()), f"127.0.0.1:{port}")
    for wrong in ("9464", "localhost", "127.0.0.1:http", "127.0.0.1:70000"):
        with pytest.raises(InputError, match="no address"):
            serve(FleetMetrics(Memory()), wrong)


def test_the_dashboard_asks_for_metrics_that_there_are() -> None:
    """Each of its queries names metrics, and labels, that a run has; and the guide lists all of them."""
    root = Path(__file__).parents[2]
    metrics = FleetMetrics(Memory())
    metrics.until[1] = START
    metrics.requests["ok"] += 1
    metrics.status = lambda: FleetStatus(leases=3)
    found = {name for name, _ in figures(metrics)}
    dashboard = json.loads((root / "examples" / "grafana.json").read_text("utf-8"))
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    named = {name for query in queries for name in re.findall(r"enlighten_fleet_\w+", query)}
    assert named - {"enlighten_fleet_quota_left"} <= found
    guide = (root / "docs" / "fleet.md").read_text("utf-8")
    told = set(re.findall(r"^\| `(enlighten_fleet_\w+)`", guide, re.MULTILINE))
    assert told == {name.removesuffix("_count").removesuffix("_sum") for name in found | named}
