"""Readings of meters until an instant, by clocks that differ."""

from __future__ import annotations

from email.utils import formatdate
from pathlib import Path

import httpx
import pytest

from enlighten_async import EnlightenClient, RangeError
from tests.world import World

HOUR = 3600
NAMES = {
    "v2": ["production_meter_readings"],
    "v4": ["production_meter_readings", "consumption_meter_readings", "storage_meter_readings"],
}
EACH = pytest.mark.parametrize(
    ("version", "name"), [(version, name) for version, names in NAMES.items() for name in names]
)


class Strict:
    """A service that takes no end in the future, by a clock that may differ from ours.

    Attributes:
        ends: the end of each request, as it was sent.
    """

    def __init__(self, behind: float) -> None:
        self.world, self.behind, self.ends = World(), behind, list[str | None]()

    def now(self) -> int:
        """Return the service's time, epoch seconds."""
        return int(self.world.clock.now() - self.behind)

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Return a meter that was read at the end."""
        end = request.url.params.get("end_at")
        self.ends.append(end)
        headers = {"date": formatdate(self.now(), usegmt=True)}
        if end is not None and int(end) > self.now():
            told = {
                "message": ["Requested date is in the future"],
                "details": "Requested date is in the future",
            }
            return httpx.Response(422, json={"reason": "422", **told}, headers=headers)
        meter = {"serial_number": "1", "serial_num": "1", "value": 9, "read_at": int(end or self.now())}
        return httpx.Response(200, json={"system_id": 7, "meter_readings": [meter]}, headers=headers)

    def client(self, version: str, state: Path) -> EnlightenClient:
        """Open a client."""
        make = self.world.v4 if version == "v4" else self.world.client
        return make(transport=httpx.MockTransport(self.answer), state=state)


@EACH
@pytest.mark.parametrize("behind", [0, 5 * HOUR])
async def test_an_end_that_is_ahead_is_the_services_now(
    tmp_path: Path, version: str, name: str, behind: float
) -> None:
    """It is asked again without an end; once it has come, for itself."""
    service = Strict(behind)
    end = int(service.world.clock.now()) + HOUR
    async with service.client(version, tmp_path / "state.db") as client:
        now = service.now()
        found = await getattr(client, name)(7, end_at=end)
        assert [reading.read_at.timestamp() for reading in found] == [now]
        assert (service.ends, found.receipt.sent) == ([str(end), None], 2)
        await service.world.clock.sleep(behind + 2 * HOUR)
        found = await getattr(client, name)(7, end_at=end)
        assert [reading.read_at.timestamp() for reading in found] == [end]
        assert service.ends[2:] == [str(end)]


async def test_only_an_end_that_is_ahead_is_replaced(tmp_path: Path) -> None:
    """Where the service contradicts itself, its error is told."""
    service = Strict(5 * HOUR)
    dated = {"date": formatdate(service.world.clock.now(), usegmt=True)}

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(422, json=service.answer(request).json(), headers=dated)

    async with service.world.client(transport=httpx.MockTransport(answer), state=tmp_path / "s.db") as client:
        with pytest.raises(RangeError, match="future"):
            await client.production_meter_readings(7, end_at=service.now() + HOUR)
    assert len(service.ends) == 1
