"""The same jobs by this package: limiter, retries, coverage and receipt included."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager

from benchmarks.payload import GRID, SYSTEM_ID
from enlighten_async import EnlightenClient, Plan
from enlighten_async.api.series import SeriesRequests
from enlighten_async.api.v2.series import RGM_STATS
from enlighten_async.models import Coverage, RgmStats
from enlighten_async.models.intervals import merge_parts
from enlighten_async.windows import Window
from enlighten_async.wire import Response

PLENTY = Plan(minute=100_000, month=10_000_000)


class Ours:
    """`enlighten_async`, as its README uses it."""

    def decode(self, body: bytes, window: tuple[int, int]) -> RgmStats:
        """Return an answer as columns."""
        return SeriesRequests(RGM_STATS, SYSTEM_ID, {}).read(Response(200, body), Window(*window))

    def client(self, url: str) -> AbstractAsyncContextManager[EnlightenClient]:
        """Open a client."""
        return EnlightenClient("key", "4d7a", plan=PLENTY, base_url=url)

    async def year(self, client: EnlightenClient, start: int, end: int) -> RgmStats:
        """Fetch a span."""
        return await client.rgm_stats(SYSTEM_ID, start_at=start, end_at=end)

    def stream(self, client: EnlightenClient, start: int, end: int) -> AsyncIterator[RgmStats]:
        """Fetch a span part by part."""
        return aiter(client.rgm_stats(SYSTEM_ID, start_at=start, end_at=end))

    def merge(self, parts: Sequence[RgmStats]) -> RgmStats:
        """Join parts into one answer."""
        window = Window(parts[0].window.start, parts[-1].window.end)
        return merge_parts(parts, RgmStats.empty(SYSTEM_ID, Coverage(window, GRID)))
