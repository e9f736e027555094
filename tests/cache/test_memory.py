"""A cache in memory: parts are shared, replies replaced by newer ones, and nothing by another cache."""

from __future__ import annotations

from enlighten_async.cache import MemoryCache
from enlighten_async.windows import Window
from tests.cache.parts import NOW, REPLY, SCOPE, SERIES, hours, response, stats_part


async def test_a_part_is_not_copied_when_it_is_read() -> None:
    """Two queries for the same range share its columns."""
    cache, window = MemoryCache(), Window(0, 1 << 32)
    cache.put(SCOPE, SERIES, stats_part(hours(0, 4)), NOW)
    await cache.flush()
    (one,), (other,) = await cache.get(SCOPE, SERIES, window), await cache.get(SCOPE, SERIES, window)
    assert one.part is other.part


async def test_an_older_reply_does_not_replace_a_newer_one() -> None:
    """Replies may arrive in another order than the service gave them."""
    cache = MemoryCache()
    for date in (NOW, NOW + 2, NOW + 1):
        cache.put_reply(SCOPE, REPLY, response(str(date).encode(), date))
    assert await cache.reply(SCOPE, REPLY) == response(str(NOW + 2).encode(), NOW + 2)


async def test_caches_share_nothing() -> None:
    """Each client without a file has its own."""
    one, other = MemoryCache(), MemoryCache()
    one.put(SCOPE, SERIES, stats_part(hours(0, 1)), NOW)
    one.put_reply(SCOPE, REPLY, response())
    assert await other.spans(SCOPE, SERIES) == ()
    assert await other.reply(SCOPE, REPLY) is None
