"""Follow a fleet by the real `Fleet.run` in virtual time: `python -m benchmarks.fleet.followed`."""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import cache
from pathlib import Path

import anyio
import httpx

from benchmarks.fleet.month import LAG_S, REPORT_S, START, Case, Month, produced
from benchmarks.fleet.policies import CASES, ours
from benchmarks.machine import machine
from enlighten_async import EnlightenClient, Plan
from enlighten_async.fleet import Change, Fleet
from enlighten_async.testing import FakeClock
from enlighten_async.windows import DAY

ZONES = ("Etc/GMT+8", "Etc/GMT-1", "Etc/GMT-10")
"""Those of `OFFSETS`."""

PAGE = 1_000
"""Systems on a page of version 2."""

WH_A_DAY = 20_000.0
"""Energy of a system in a day."""


@cache
def energy_of(quarter: int, offset: int) -> int:
    """Return the energy of a system in a quarter of an hour, Wh.

    Args:
        quarter: the number of the quarter, from the epoch on.
        offset: by how much local time is ahead of UTC, seconds.
    """
    end = quarter * REPORT_S + offset
    return round(WH_A_DAY * (produced(end)[0] - produced(end - REPORT_S)[0]))


class Service(httpx.AsyncBaseTransport):
    """The service, as cheap as it can be: lists of systems, and their rows up to half an hour ago."""

    def __init__(self, month: Month, clock: FakeClock) -> None:
        self.month, self.clock, self.minutes = month, clock, Counter[int]()

    @property
    def rejected(self) -> int:
        """Requests that were more than a minute, or the month, may have."""
        case = self.month.case
        over = sum(max(0, sent - case.minute) for sent in self.minutes.values())
        return over + max(0, self.minutes.total() - case.month)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request; a poll is noted."""
        path, params, now = request.url.path, request.url.params, self.clock.now()
        self.minutes[int(now // 60)] += 1
        if path.endswith("/systems"):
            body = self.page(int(params.get("next", "0")))
        else:
            number = int(path.split("/")[-2]) - 1
            self.month.poll(number, now)
            body = self.rows(number, float(params["start_at"]), float(params.get("end_at", now)))
        date = format_datetime(datetime.fromtimestamp(now, UTC), usegmt=True)
        return httpx.Response(200, headers={"Date": date, "Content-Type": "application/json"}, content=body)

    def meta(self, number: int) -> dict[str, object]:
        """Return when a system has reported."""
        silent = self.month.silent[number]
        newest = START - 30 * DAY if silent else (self.clock.now() - LAG_S) // REPORT_S * REPORT_S
        return {
            "status": "normal",
            "last_report_at": int(newest),
            "last_energy_at": int(newest),
            "operational_at": 1_600_000_000,
        }

    def page(self, first: int) -> bytes:
        """Return the systems from a number on, a page of them."""
        numbers = range(first, min(first + PAGE, self.month.case.systems))
        systems = [
            {
                "system_id": number + 1,
                "system_name": f"Roof {number}",
                "system_public_name": "Residential System",
                "status": "normal",
                "timezone": ZONES[number % 3],
                "connection_type": "ethernet",
                "meta": self.meta(number),
            }
            for number in numbers
        ]
        more = {"next": str(numbers.stop)} if numbers.stop < self.month.case.systems else {}
        return json.dumps({"systems": systems, **more}).encode()

    def rows(self, number: int, start: float, end: float) -> bytes:
        """Return the rows of a system in a range."""
        offset, meta = self.month.offsets[number], self.meta(number)
        first, last = (
            int(start // REPORT_S + 1),
            int(min(end, float(str(meta["last_energy_at"]))) // REPORT_S),
        )
        rows = [
            {"end_at": n * REPORT_S, "devices_reporting": 1, "wh_del": energy_of(n, offset)}
            for n in range(first, last + 1)
        ]
        answer = {"system_id": number + 1, "total_devices": 1, "intervals": rows, "meta": meta}
        return json.dumps(answer).encode()


class Checked:
    """A sink that checks rows against those of the service; what was before the month is held."""

    def __init__(self, month: Month) -> None:
        self.month, self.rows, self.wrong = month, 0, 0
        self.until = [START] * month.case.systems
        self.quarters = int(month.case.days * DAY // REPORT_S) + 1
        self.held = bytearray(self.quarters * month.case.systems)

    async def cursors(self, series: str) -> Mapping[int, datetime]:
        """Return the begin of the month."""
        return dict.fromkeys(range(1, len(self.until) + 1), datetime.fromtimestamp(START, UTC))

    async def write(self, changes: Sequence[Change]) -> None:
        """Count the rows, and those that are wrong."""
        for change in changes:
            number, columns = change.system_id - 1, change.rows.columns
            self.until[number], offset = change.until.timestamp(), self.month.offsets[number]
            for end, wh in zip(columns["end_at"], columns["wh_del"], strict=True):
                self.wrong += wh != energy_of(end // REPORT_S, offset)
                if end > START:
                    self.held[number * self.quarters + int(end - START) // REPORT_S - 1] = 1
            self.rows += len(change.rows)

    @property
    def missing(self) -> int:
        """Rows up to the cursors that were never written."""
        wanted = sum(int(until - START) // REPORT_S for until in self.until)
        return wanted - sum(self.held)


async def follow(case: Case) -> tuple[Service, Checked]:
    """Follow a fleet; return what its service has answered, and what was written."""
    clock, month = FakeClock(now=START), Month(case)
    service, sink = Service(month, clock), Checked(month)
    plan = Plan(minute=case.minute, month=case.month)
    with tempfile.TemporaryDirectory() as folder:
        async with EnlightenClient(
            "key", "user", plan=plan, clock=clock, state=Path(folder) / "state.db", transport=service
        ) as client:
            with clock.move_on_after(case.days * DAY):
                await Fleet(client, "rgm_stats").run(sink)
    return service, sink


def peak() -> float:
    """Return the peak memory of this process, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(arguments: Sequence[str] | None = None) -> int:
    """Follow one fleet, and simulate the same beside it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet.followed", description=__doc__)
    parser.add_argument("--systems", type=int, default=5_000, help="those of a fleet of benchmarks.fleet")
    parser.add_argument(
        "--part", type=int, default=1, help="follow so small a part, with that part of the plan"
    )
    parser.add_argument("--days", type=float, default=1.0, help="of the month, from its begin on")
    options = parser.parse_args(arguments)
    found = next(each for each in CASES if each.systems == options.systems)
    part, systems = options.part, found.systems // options.part
    name = found.name if part == 1 else f"{systems:,} of {found.name}"
    case = Case(name, systems, found.minute // part, found.month // part, days=options.days)
    before, began = peak(), time.process_time()
    service, sink = anyio.run(follow, case)
    cpu, used = time.process_time() - began, peak()
    simulated = ours(case)
    print(f"{machine()}; the first {options.days:g} days of a month")
    print("| fleet | by | polls | of the month | brought nothing | delay, h | energy held | CPU, s |")
    print("|---|---|---|---|---|---|---|---|")
    print(service.month.row("Fleet.run", cpu))
    print(simulated.row("simulation", 0.0))
    print(f"{service.rejected} rejected; {sink.rows:,} rows, {sink.wrong} wrong, {sink.missing} missing")
    print(f"peak memory {used:.0f} MiB, {before:.0f} of it before the run")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
