"""The rows of a fleet as a resource of dlt, which loads them into any of its some thirty destinations.

    pip install "enlighten-async[cli]" "dlt[duckdb]"
    export ENLIGHTEN_API_KEY=... ENLIGHTEN_STATE=enlighten.db    # and the login: see docs/v4-login.md
    python examples/dlt_resource.py

The cursors are in the state of dlt, which it loads with the rows: what was loaded is not asked for again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import dlt
from attrs import asdict

from enlighten_async import EnlightenClient
from enlighten_async.fleet import Fleet


@dlt.resource(primary_key=("system_id", "end_at"), write_disposition="merge")
async def rgm_stats() -> AsyncIterator[list[dict[str, Any]]]:
    """Yield the rows of each system that are new, or corrected, until nothing is due any more."""
    until: dict[str, str] = dlt.current.resource_state().setdefault("until", {})
    since = {int(system_id): datetime.fromisoformat(moment) for system_id, moment in until.items()}
    async with EnlightenClient.from_env() as client:
        fleet = Fleet(client, "rgm_stats", every=timedelta(hours=1))
        async for change in fleet.follow(since, once=True):
            yield [{"system_id": change.system_id, **asdict(row)} for row in change.rows]
            until[str(change.system_id)] = change.until.isoformat()


if __name__ == "__main__":
    pipeline = dlt.pipeline("solar", destination="duckdb", dataset_name="fleet")
    print(pipeline.run(rgm_stats()))
