"""OpenTelemetry: spans and metrics of requests by the semantic conventions, without secrets."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from enlighten_async.cache import MemoryCache
from enlighten_async.emulator import Fault, Quota
from enlighten_async.otel import OpenTelemetry
from tests.world import API_KEY, World


class Collected:
    """The providers of a test, and what they were given."""

    def __init__(self) -> None:
        self.exporter, self.reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.meters = MeterProvider([self.reader])
        self.hook = OpenTelemetry(tracer_provider=self.tracers, meter_provider=self.meters)

    @property
    def spans(self) -> list[ReadableSpan]:
        """The spans that ended, in that order."""
        return list(self.exporter.get_finished_spans())

    def points(self, name: str) -> list[Any]:
        """Return the data points of a metric."""
        data: Any = self.reader.get_metrics_data()
        scopes = [scope for resource in data.resource_metrics for scope in resource.scope_metrics]
        return [
            point
            for scope in scopes
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]


async def test_a_request_is_a_span_of_the_conventions() -> None:
    """A child of the caller's span, as long as the request took, with what was asked and what it cost."""
    world, collected = World(latency=0.5), Collected()
    client = world.client(on_response=collected.hook)
    with collected.tracers.get_tracer("mine").start_as_current_span("refresh") as mine:
        day = await client.rgm_stats(world.system, **world.days(1))
    span, _ = collected.spans
    assert (span.name, span.kind, span.status.status_code) == (
        "GET rgm_stats",
        SpanKind.CLIENT,
        StatusCode.UNSET,
    )
    assert span.parent is not None
    assert span.parent.span_id == mine.get_span_context().span_id
    assert (span.end_time or 0) - (span.start_time or 0) == 500_000_000
    assert dict(span.attributes or {}) == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "server.address": "api.enphaseenergy.com",
        "server.port": 443,
        "url.full": f"https://api.enphaseenergy.com/api/v2/systems/1765/rgm_stats"
        f"?start_at={day.window.start}&end_at={day.window.end}",
        "enlighten.endpoint": "rgm_stats",
        "enlighten.system_id": 1765,
        "enlighten.window.start": day.window.start_at.isoformat(),
        "enlighten.window.end": day.window.end_at.isoformat(),
        "enlighten.wait": 0.0,
        "enlighten.cost": 1,
    }


async def test_all_requests_of_a_query_belong_to_the_callers_span() -> None:
    """Those that are fetched side by side, too."""
    world, collected = World(latency=0.1), Collected()
    with collected.tracers.get_tracer("mine").start_as_current_span("refresh") as mine:
        await world.client(on_response=collected.hook).rgm_stats(world.system, **world.days(70))
    *spans, _ = collected.spans
    assert [span.parent.span_id for span in spans if span.parent] == [mine.get_span_context().span_id] * 10


async def test_failures_and_repeats_are_spans_of_their_own() -> None:
    """With the error's type, a status, and the number of the repeat."""
    world, collected = World(), Collected()
    world.emulator.inject(Fault.drop(), Fault(status=500, body="{}"))
    await world.client(on_response=collected.hook).rgm_stats(world.system, **world.days(1))
    told = [
        (
            span.status.status_code,
            *((span.attributes or {}).get(name) for name in ("error.type", "http.request.resend_count")),
        )
        for span in collected.spans
    ]
    assert told == [
        (StatusCode.ERROR, "TransportError", None),
        (StatusCode.ERROR, "500", 1),
        (StatusCode.UNSET, None, 2),
    ]


async def test_metrics_add_up_to_the_receipt() -> None:
    """Requests, their durations and waits, and what came from the cache; by endpoint, not by system."""
    world, collected = World(quota=Quota.WATT, latency=0.2), Collected()
    client = world.client(plan=None, on_response=collected.hook, interval_cache=MemoryCache())
    old = {"start_at": world.clock.now() - 200 * 86_400, "end_at": world.clock.now() - 60 * 86_400}
    first = await client.rgm_stats(world.system, **old)
    second = await client.rgm_stats(world.system, **old)
    assert (first.receipt.sent, second.receipt.sent) == (20, 0)
    (requests,) = collected.points("enlighten.client.requests")
    (duration,) = collected.points("http.client.request.duration")
    (wait,) = collected.points("enlighten.client.wait")
    (cached,) = collected.points("enlighten.client.cached_parts")
    assert requests.value == duration.count == wait.count == 20
    assert duration.sum == pytest.approx(20 * 0.2)
    assert wait.sum == pytest.approx(sum(first.receipt.waited.values()))
    assert cached.value == second.receipt.from_cache > 0
    assert dict(cached.attributes) == {"enlighten.endpoint": "rgm_stats"}
    assert "enlighten.system_id" not in duration.attributes


@pytest.mark.parametrize("version", ["v2", "v4"])
async def test_no_span_holds_a_secret(version: str) -> None:
    """Neither key, user id nor token."""
    world, collected = World(), Collected()
    options: Any = {"on_response": collected.hook}
    client = world.v4(**options) if version == "v4" else world.client(**options)
    await client.systems()
    await client.summary(world.system)
    texts = [span.to_json() for span in collected.spans]
    assert len(texts) == 2
    assert not any(secret in text for secret in (API_KEY, world.emulator.demo_user, "eyJ") for text in texts)


def test_without_the_package_the_extra_is_named() -> None:
    """And the module itself can be imported."""
    text = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "from enlighten_async.otel import OpenTelemetry\n"
        "OpenTelemetry()"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
    assert (
        'InputError: OpenTelemetry needs opentelemetry-api: pip install "enlighten-async[otel]"'
        in done.stderr
    )
    assert "ModuleNotFoundError" not in done.stderr
