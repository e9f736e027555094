"""Odd answers, through clients of both versions: bodies by other names, texts under other statuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import httpx
import pytest

from enlighten_async import DecodeError, EnlightenClient, RangeError, Reason, RetryPolicy, ServerError
from tests.world import World

NO_METER = "The given system does not contain any active and enabled consumption meter"
NO_BATTERY = "System doesn't have encharges"
INVALID = "Requested date range is invalid for this system"
ONCE = RetryPolicy(attempts=1)
Client = Callable[..., EnlightenClient]


def answering(
    world: World, body: object, status: int = 200, content_type: str = "application/json"
) -> httpx.MockTransport:
    """Return a service that gives one answer to all; bytes are sent as they are."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"date": formatdate(world.clock.now(), usegmt=True), "content-type": content_type}
    return httpx.MockTransport(lambda _: httpx.Response(status, content=content, headers=headers))


def opened(version: str, body: object, status: int = 200, content_type: str = "application/json") -> Any:
    """Return a client of a version whose service gives one answer to all."""
    world = World()
    transport = answering(world, body, status, content_type)
    if version == "v4":
        return world.v4(transport=transport, retry=ONCE)
    return world.client(base_url="http://127.0.0.1:9/api/v2", transport=transport, retry=ONCE)


both = pytest.mark.parametrize("version", ["v2", "v4"])
SUMMARY = {"system_id": 7, "modules": 20, "energy_today": 9}


@both
@pytest.mark.parametrize(
    "called", ["application/json", "text/html", "text/plain", "application/octet-stream"]
)
@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", b"\n "])
async def test_json_is_read_whatever_it_is_called(version: str, called: str, before: bytes) -> None:
    """Also after the mark that says UTF-8."""
    client = opened(version, before + json.dumps(SUMMARY).encode(), content_type=called)
    assert (await client.summary(7)).modules == 20


@both
@pytest.mark.parametrize("called", ["application/json", "text/html"])
@pytest.mark.parametrize("status", [200, 302, 500, 502])
async def test_a_web_page_is_no_data(version: str, called: str, status: int) -> None:
    """It is a failure that may pass, whatever it is called."""
    client = opened(version, b"<html>too many visitors</html>", status, called)
    for query in (client.summary(7), client.rgm_stats(7, start_at=1_749_990_000, end_at=1_749_999_000)):
        with pytest.raises(ServerError, match="web page") as caught:
            await query
        assert caught.value.passing


STATUSES = (200, 400, 401, 404, 422, 500)
TIME = {"start_at": 1_749_990_000, "end_at": 1_749_999_000}


@both
@pytest.mark.parametrize("status", STATUSES)
async def test_no_meter_means_the_same_under_any_status(version: str, status: int) -> None:
    """For intervals and for days, of any endpoint."""
    client = opened(version, {"message": NO_METER, "details": NO_METER}, status)
    for query in (client.consumption_stats(7, **TIME), client.rgm_stats(7, **TIME)):
        answer = await query
        assert len(answer.intervals) == 0
        assert {gap.reason for gap in answer.coverage.gaps()} == {Reason.NO_DEVICE}
    assert (await client.consumption_lifetime(7)).reason is Reason.NO_DEVICE
    readings = await client.production_meter_readings(7)
    assert (readings.system_id, len(readings)) == (7, 0)


@pytest.mark.parametrize("status", STATUSES[1:])
async def test_no_batteries_mean_the_same_under_any_status(status: int) -> None:
    """For settings, days, intervals and readings."""
    client = opened("v4", {"message": "Unprocessable Entity", "details": NO_BATTERY}, status)
    assert (await client.battery_settings(7)).reason is Reason.NO_DEVICE
    assert (await client.storm_guard(7)).reason is Reason.NO_DEVICE
    assert (await client.battery_lifetime(7)).reason is Reason.NO_DEVICE
    assert {gap.reason for gap in (await client.battery(7, **TIME)).coverage.gaps()} == {Reason.NO_DEVICE}
    assert len(await client.storage_meter_readings(7)) == 0


@both
@pytest.mark.parametrize("status", STATUSES)
async def test_an_invalid_range_means_the_same_under_any_status(version: str, status: int) -> None:
    """Of days before anything was reported, it says so."""
    client = opened(version, {"reason": INVALID, "message": INVALID, "details": INVALID}, status)
    assert (await client.energy_lifetime(7)).reason is Reason.NOT_REPORTED_YET
    if status != 200:
        with pytest.raises(RangeError):
            await client.summary(7)


@both
async def test_other_texts_with_a_200_are_unreadable_answers(version: str) -> None:
    """Rather than errors of the service."""
    for body in ({"message": "System under maintenance"}, {}, b"", b"null"):
        with pytest.raises(DecodeError):
            await opened(version, body).rgm_stats(7, **TIME)
