"""OpenTelemetry: a span and metrics for each request, made from its event. Needs the extra `otel`."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from enlighten_async.errors import InputError
from enlighten_async.lazy import LazyModule
from enlighten_async.query import ResponseEvent

if TYPE_CHECKING:
    from datetime import datetime

    from opentelemetry import metrics, trace
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider
    from opentelemetry.util.types import AttributeValue
else:  # optional
    metrics, trace = LazyModule("opentelemetry.metrics"), LazyModule("opentelemetry.trace")

SCOPE = "enlighten_async"
"""The name under which tracer and meter are asked for."""

DURATION_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Bounds in seconds that the semantic conventions advise for the duration of requests."""

WAIT_BUCKETS_S = (0.1, 1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)
"""Bounds in seconds for waits: those for the windows of a plan take up to a minute each."""

_DEFAULT_PORTS = {"http": 80, "https": 443}


class OpenTelemetry:
    """A hook that makes a span and metrics of each request: `on_response=OpenTelemetry()`.

    Spans are those of an HTTP client by the semantic conventions, children of the span that is current where
    the query runs. No credentials are in them, as none are in the event. The metrics are
    `http.client.request.duration` (s), `enlighten.client.requests` (what the quota pays for),
    `enlighten.client.wait` (s) and `enlighten.client.cached_parts` (what took no request).

    Args:
        tracer_provider: where spans go; `None`: the global one.
        meter_provider: where metrics go; `None`: the global one.

    Raises:
        InputError: opentelemetry-api is not installed.
    """

    def __init__(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        try:
            self._tracer = trace.get_tracer(SCOPE, tracer_provider=tracer_provider)
        except ModuleNotFoundError:
            text = 'OpenTelemetry needs opentelemetry-api: pip install "enlighten-async[otel]"'
            raise InputError(text) from None
        self._client, self._error = trace.SpanKind.CLIENT, trace.StatusCode.ERROR
        meter = metrics.get_meter(SCOPE, meter_provider=meter_provider)
        self._duration = meter.create_histogram(
            "http.client.request.duration",
            unit="s",
            description="Duration of HTTP client requests.",
            explicit_bucket_boundaries_advisory=DURATION_BUCKETS_S,
        )
        self._wait = meter.create_histogram(
            "enlighten.client.wait",
            unit="s",
            description="Time that requests waited for their turn.",
            explicit_bucket_boundaries_advisory=WAIT_BUCKETS_S,
        )
        self._requests = meter.create_counter(
            "enlighten.client.requests", unit="{request}", description="Requests that the quota pays for."
        )
        self._cached = meter.create_counter(
            "enlighten.client.cached_parts", unit="{part}", description="Parts that took no request."
        )

    def __call__(self, event: ResponseEvent) -> None:
        """Make the span and the metrics of a request that is over, or count a part that took none."""
        endpoint: dict[str, AttributeValue] = {"enlighten.endpoint": event.endpoint}
        if event.from_cache:
            self._cached.add(1, endpoint)
            return
        attributes = endpoint | http_attributes(event)
        self._duration.record(event.seconds, attributes)
        self._requests.add(event.cost, attributes)
        self._wait.record(event.waited, endpoint)
        span = self._tracer.start_span(
            f"{event.method} {event.endpoint}",
            kind=self._client,
            start_time=_nanoseconds(event.at),
            attributes=attributes | span_attributes(event),
        )
        if "error.type" in attributes:
            span.set_status(self._error)
        span.end(_nanoseconds(event.at + timedelta(seconds=event.seconds)))


def http_attributes(event: ResponseEvent) -> dict[str, AttributeValue]:
    """Return the attributes that the conventions want of both span and metrics: few values each."""
    url = urlsplit(event.url)
    attributes: dict[str, AttributeValue] = {
        "http.request.method": event.method,
        "server.address": url.hostname or "",
        "server.port": url.port or _DEFAULT_PORTS[url.scheme],
    }
    if event.status is not None:
        attributes["http.response.status_code"] = event.status
    if event.status is not None and event.status >= 400:
        attributes["error.type"] = str(event.status)
    elif event.error is not None:
        attributes["error.type"] = event.error
    return attributes


def span_attributes(event: ResponseEvent) -> dict[str, AttributeValue]:
    """Return the attributes of a span alone: their values are too many for metrics."""
    attributes: dict[str, AttributeValue] = {
        "url.full": event.url,
        "enlighten.cost": event.cost,
        "enlighten.wait": event.waited,
    }
    if event.attempt > 1:
        attributes["http.request.resend_count"] = event.attempt - 1
    if event.system_id is not None:
        attributes["enlighten.system_id"] = event.system_id
    if event.window is not None:
        attributes["enlighten.window.start"] = event.window.start_at.isoformat()
        attributes["enlighten.window.end"] = event.window.end_at.isoformat()
    return attributes


def _nanoseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1e6) * 1000
