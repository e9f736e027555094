"""FleetMetrics: figures of a run, for people who watch it and for Prometheus; none is of a single system."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from heapq import nsmallest
from math import ceil
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field

from enlighten_async.clock import Clock, SystemClock
from enlighten_async.errors import InputError
from enlighten_async.export.frames import load
from enlighten_async.fleet.backfill import is_of_history
from enlighten_async.fleet.change import Change
from enlighten_async.fleet.sinks import Sink
from enlighten_async.fleet.sinks.base import write_fenced
from enlighten_async.fleet.status import FleetStatus
from enlighten_async.models import QuotaStatus
from enlighten_async.query import ResponseEvent

if TYPE_CHECKING:
    from prometheus_client.core import Metric

QUANTILES: Final = (0.5, 0.95, 1.0)
"""The quantiles of freshness that are told; the last one is the system that is furthest behind."""

PREFIX: Final = "enlighten_fleet"


@define(eq=False)
class FleetMetrics:
    """Metrics of a fleet's run: a sink that counts what it passes on to another sink.

    Give it to `Fleet.run` in place of the sink, and `on_response=metrics.hear` to the client; set `status`,
    and from time to time `systems` and `quota`, for the metrics of these. It is a collector of
    prometheus_client: `registry.register(metrics)`.

    Args:
        sink: the sink of rows and cursors.
        clock: the source of time.
    """

    sink: Sink
    """The sink of rows and cursors."""
    clock: Clock = field(factory=SystemClock)
    """The source of time."""
    rows: int = field(default=0, init=False)
    """Rows of systems that were written and are new."""
    corrected: int = field(default=0, init=False)
    """Rows of systems that were written and replace, or fill in, earlier ones."""
    requests: Counter[str] = field(factory=Counter, init=False)
    """Requests by their outcome: "ok", or the name of the error."""
    until: dict[int, float] = field(factory=dict, init=False, repr=False)
    """Up to when the rows of each system are written, epoch seconds, by its number."""
    writes: int = field(default=0, init=False)
    """Writes of the sink, those that failed too."""
    failed_writes: int = field(default=0, init=False)
    """Writes of the sink that failed."""
    write_seconds: float = field(default=0.0, init=False)
    """Seconds that the writes took."""
    systems: int | None = field(default=None, init=False)
    """Number of systems that are followed; `None` until it is known."""
    quota: QuotaStatus | None = field(default=None, init=False, repr=False)
    """The quota, as it was told last."""
    status: Callable[[], FleetStatus] | None = field(default=None, init=False, repr=False)
    """The function that returns the status: set it to `fleet.status`; `None`: no metrics of it are told."""

    def __repr__(self) -> str:
        return repr(self.sink)

    def hear(self, event: ResponseEvent) -> None:
        """Count a request; it is a hook of the client.

        Args:
            event: the request.
        """
        if event.cost:
            self.requests[event.error or "ok"] += event.cost

    async def cursors(self, series: str) -> Mapping[int, datetime]:
        """Return the sink's cursors.

        Args:
            series: name of the series.

        Raises:
            EnlightenError: see the sink.
            OSError: see the sink.
        """
        found = await self.sink.cursors(series)
        if not is_of_history(series):
            self.until.update((system_id, until.timestamp()) for system_id, until in found.items())
        return found

    async def write(self, changes: Sequence[Change], *, fence: int | None = None) -> None:
        """Write to the sink, and count what it has written.

        Args:
            changes: the changes.
            fence: as for `FencedSink.write`.

        Raises:
            EnlightenError: see the sink.
            OSError: see the sink.
        """
        begin = self.clock.monotonic()
        self.writes += 1
        try:
            await write_fenced(self.sink, changes, fence)
        except BaseException:
            self.failed_writes += 1
            raise
        finally:
            self.write_seconds += self.clock.monotonic() - begin
        for change in changes:
            self.corrected += change.corrected
            self.rows += len(change.rows) - change.corrected
            if not is_of_history(change.series):
                self.until[change.system_id] = change.until.timestamp()

    def freshness(self) -> Mapping[float, float]:
        """Return how old the newest row of systems is, seconds, by quantile; empty where none is held."""
        now = self.clock.now()
        ages = sorted(max(0.0, now - until) for until in list(self.until.values()))
        return {each: ages[max(0, ceil(each * len(ages)) - 1)] for each in QUANTILES if ages}

    def behind(self, count: int) -> list[tuple[int, float]]:
        """Return the systems that are the furthest behind, with up to when they are held (epoch seconds).

        Args:
            count: how many, at the most.
        """
        return nsmallest(count, list(self.until.items()), key=lambda held: (held[1], held[0]))

    def collect(self) -> Iterator[Metric]:
        """Yield the figures as metrics of prometheus_client.

        Raises:
            InputError: prometheus_client is not installed.
        """
        load("prometheus_client", "metrics")
        core = load("prometheus_client.core")
        held = len(self.until)
        states = {"held": held, "new": max(0, (self.systems or held) - held)}
        yield _family(core.GaugeMetricFamily, "systems", "Systems that are followed.", "state", states)
        ages = {str(each): age for each, age in self.freshness().items()}
        text = "Age of the newest row of systems, by quantile of the systems."
        yield _family(core.GaugeMetricFamily, "freshness_seconds", text, "quantile", ages)
        text = "Requests that the quota pays for."
        yield _family(core.CounterMetricFamily, "requests", text, "outcome", dict(self.requests))
        kinds = {"new": self.rows, "corrected": self.corrected}
        yield _family(core.CounterMetricFamily, "rows", "Rows of systems that were written.", "kind", kinds)
        for name, (text, figure) in self._of_status().items():
            if figure is not None:
                yield core.GaugeMetricFamily(f"{PREFIX}_{name}", text, value=figure)
        text = "Requests that are left."
        yield _family(core.GaugeMetricFamily, "quota_left", text, "window", self._left())
        text = "Time that the sink takes for a write."
        yield core.SummaryMetricFamily(
            f"{PREFIX}_sink_seconds", text, count_value=self.writes, sum_value=self.write_seconds
        )
        text = "Writes that failed."
        yield core.CounterMetricFamily(f"{PREFIX}_sink_failures", text, value=self.failed_writes)

    def _of_status(self) -> dict[str, tuple[str, float | None]]:
        """Return the figures of the fleet's status by name, each with its text; `None` is of no use here."""
        if self.status is None:
            return {}
        told = self.status()
        lag = 0.0 if told.lag is None else told.lag.total_seconds()
        return {
            "due": ("Polls that are due and not made yet.", told.due),
            "lag_seconds": (
                "Time for which the poll has been due that waits longest.",
                lag,
            ),
            "leases": ("Leases that this process holds, of 64.", told.leases),
            "backfill_left": ("Windows of history that are not held yet.", told.backfill_left),
        }

    def _left(self) -> dict[str, float]:
        """Return the requests that are left, by window; without those that have no limit."""
        if self.quota is None:
            return {}
        windows = {"minute": self.quota.minute, "month": self.quota.month}
        limited = {name: each for name, each in windows.items() if each.limit is not None}
        return {name: max(0, (each.limit or 0) - (each.used or 0)) for name, each in limited.items()}


def _family(kind: Any, name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family: Metric = kind(f"{PREFIX}_{name}", text, labels=[label])
    for value, figure in values.items():
        family.add_metric([value], figure)
    return family


def serve(metrics: FleetMetrics, address: str) -> None:
    """Serve metrics to Prometheus, in a thread of its own, until the process ends.

    Args:
        metrics: the metrics.
        address: where to listen, such as "127.0.0.1:9464".

    Raises:
        InputError: prometheus_client is not installed, or the address is none.
        OSError: it is in use, or not this machine's.
    """
    library = load("prometheus_client", "metrics")
    host, _, port = address.rpartition(":")
    number = -1
    with suppress(ValueError):
        number = int(port)
    if not host or not 0 <= number < 65_536:
        raise InputError(f"{address!r:.60} is no address to listen at: give one such as 127.0.0.1:9464")
    registry = library.CollectorRegistry()
    registry.register(metrics)
    try:
        library.start_http_server(number, host.strip("[]"), registry)
    except OSError as error:
        raise OSError(error.errno, error.strerror, address) from None
