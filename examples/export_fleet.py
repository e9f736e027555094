"""The intervals of all systems of an account in one file: run it every night.

    export ENLIGHTEN_API_KEY=... ENLIGHTEN_CLIENT_ID=... ENLIGHTEN_CLIENT_SECRET=...
    export ENLIGHTEN_STATE=enlighten.db
    enlighten login
    python examples/export_fleet.py fleet.csv --days 30

The state file keeps what was paid for. So the next run asks only for what is new, and one that was
interrupted goes on. Lines of progress go to stderr; the exit code is 0 if the file has everything.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from enlighten_async import EnlightenClient, EnlightenError, write


async def export(path: str, days: float) -> bool:
    """Write the file; tell whether it has everything that the service has."""
    start = datetime.now(UTC) - timedelta(days=days)
    async with EnlightenClient.from_env() as client:
        history = client.with_options(priority="backfill")  # owners who wait for an answer go first
        systems = client.systems()
        queries = (history.rgm_stats(each.system_id, start_at=start) async for each in systems)
        done = await write(queries, path)
    cost = systems.receipt + done.receipt
    missing = ", ".join(f"{count} {reason.value}" for reason, count in done.missing.items()) or "none"
    print(f"{done.path}: {done.rows} rows, missing: {missing}", file=sys.stderr)
    print(f"{cost.sent} requests, {cost.from_cache} windows from the cache", file=sys.stderr)
    return done.complete


def positive(text: str) -> float:
    """Return a number of days."""
    if not 0 < (days := float(text)) < 20_000:
        raise argparse.ArgumentTypeError("give a number of days above 0")
    return days


def main(arguments: Sequence[str] | None = None) -> int:
    """Export, and return the exit code: 0 all, 1 failed, 3 something is missing."""
    parser = argparse.ArgumentParser(description="Export the intervals of all systems.")
    parser.add_argument("path", help="the file: .csv, .jsonl or .parquet")
    parser.add_argument("--days", type=positive, default=30, help="how far back (default: 30)")
    given = parser.parse_args(arguments)
    try:
        return 0 if asyncio.run(export(given.path, given.days)) else 3
    except EnlightenError as error:
        again = f"; run it again after {error.retry_at:%Y-%m-%d %H:%M} UTC" if error.retry_at else ""
        print(f"error: {error}{again}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {given.path} cannot be written: {error.strerror}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
