"""The API key and the user id appear nowhere but in the bytes to the service."""

from __future__ import annotations

import copy
import gc
import logging
import pickle
from collections.abc import Iterator
from typing import Any

import pytest

from enlighten_async import EnlightenClient, EnlightenError, InputError, Plan, RetryPolicy
from enlighten_async.clock import SystemClock
from enlighten_async.emulator import Emulator, Fault, Quota
from enlighten_async.limiter import MemoryQuotaStore
from enlighten_async.oauth import MemoryTokenStore, OAuth
from tests.system.exposed_text import logged, shown, shown_inside

KEY, USER = "5ec2e7c0ffee4d1e9a0b6f7788aabbcc", "4d7a45774e6a41320a"
ALWAYS = float("inf")
FAULTS = [
    Fault(status=401, body="{}", times=ALWAYS),
    Fault.redirect(times=ALWAYS),
    Fault.echo(times=ALWAYS),
    Fault(status=200, body='{"systems": "{url}"}', times=ALWAYS),
    Fault(
        status=409,
        body='{"reason": "{url}", "message": ["{query}"], "period": "month", "period_end": 4102444800}',
        times=ALWAYS,
    ),
    Fault.drop(times=ALWAYS),
    Fault.short_body(times=ALWAYS),
    Fault.truncated_gzip(times=ALWAYS),
]


@pytest.fixture(scope="module")
def service() -> Iterator[tuple[Emulator, str]]:
    """The emulator as a server on this machine."""
    emulator = Emulator(quota=Quota.UNLIMITED, concurrent=None)
    with emulator.running() as url:
        yield emulator, url


def clean(text: str) -> bool:
    """Tell whether a text holds neither secret."""
    return KEY not in text and USER not in text


@pytest.mark.parametrize("fault", FAULTS)
async def test_no_secret_in_logs_errors_and_frames(
    service: tuple[Emulator, str], fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    """Over real sockets, with everything logged, also where the server echoes the whole URL."""
    emulator, url = service
    emulator.faults = [fault]
    caplog.set_level(logging.DEBUG)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    retry, counts = RetryPolicy(attempts=1), MemoryQuotaStore()
    async with EnlightenClient(KEY, USER, base_url=url, retry=retry, quota_store=counts) as client:
        before = len(caplog.records)
        for query in (client.systems(), client.rgm_stats(1765, start_at=SystemClock().now() - 20 * 86_400)):
            with pytest.raises(EnlightenError) as caught:
                await query
            assert clean(shown(caught.value))
            assert clean(repr(query) + repr(client) + repr(vars(client)))
    assert len(caplog.records) > before
    assert clean(logged(caplog.records))


async def test_no_secret_in_what_succeeds(
    service: tuple[Emulator, str], caplog: pytest.LogCaptureFixture
) -> None:
    """Nor where all goes well."""
    emulator, url = service
    emulator.faults = []
    caplog.set_level(logging.DEBUG)
    async with EnlightenClient(KEY, USER, plan=Plan(minute=1000), base_url=url) as client:
        systems = await client.systems()
        view = client.with_options(user_id=USER, max_wait=30)
        summary = await view.summary(systems[0].system_id)
        query = client.systems()
        assert clean(repr(systems) + repr(summary) + repr(view) + repr(query))
        query.close()
    assert any("HTTP Request" in record.getMessage() for record in caplog.records)
    assert clean(logged(caplog.records))


@pytest.mark.parametrize(
    "options",
    [
        {"base_url": "http://example.com"},
        {"base_url": f"https://name:{KEY}@example.com/api/v2"},
        {"base_url": f"https://example.com/api/v2?key={KEY}"},
        {"timeout": -1},
        {"plan": Plan(name="Joule")},
    ],
)
def test_no_secret_in_the_frames_of_a_client_that_is_not_made(options: dict[str, Any]) -> None:
    """A setting is wrong: the traceback shows it, and not the credentials given beside it."""
    environ = {"ENLIGHTEN_API_KEY": KEY, "ENLIGHTEN_USER_ID": USER}
    for make in (
        lambda: EnlightenClient(KEY, USER, **options),
        lambda: EnlightenClient.from_env(environ, **options),
        lambda: EnlightenClient.v4(KEY, oauth=OAuth("id", USER, tokens=MemoryTokenStore()), **options),
    ):
        with pytest.raises(InputError) as caught:
            make()
        assert clean(shown_inside(caught.value, __file__))


@pytest.mark.parametrize("url", [f"https://name:{KEY}@example.com/api/v4", f"https://example.com/?key={KEY}"])
def test_no_secret_in_the_frames_of_an_application_that_is_not_made(url: str) -> None:
    """Nor in the text of the error."""
    with pytest.raises(InputError, match="base_url") as caught:
        OAuth("id", USER, tokens=MemoryTokenStore(), base_url=url)
    assert clean(shown_inside(caught.value, __file__) + str(caught.value))


@pytest.mark.parametrize("user", [USER + " ", USER + "\n", [USER], USER.encode()])
def test_no_user_id_in_the_frames_of_a_view_that_is_not_made(user: Any) -> None:
    """It was pasted with a blank, for example."""
    with pytest.raises(InputError, match="user_id") as caught:
        EnlightenClient(KEY, USER).with_options(user_id=user)
    assert clean(shown_inside(caught.value, __file__) + str(caught.value))


def test_a_malformed_key_is_not_shown() -> None:
    """Not even in the text that says that it is malformed."""
    with pytest.raises(InputError, match="api_key must") as caught:
        EnlightenClient(KEY + " ", USER)
    assert clean(str(caught.value))


def test_a_client_hides_its_secrets_from_copies_and_pickles() -> None:
    """What holds a secret shows stars, and cannot be written to a file."""
    client = EnlightenClient(KEY, USER, plan=Plan(minute=1000))
    assert clean(repr(client._options) + repr(client._session) + repr(copy.copy(client)))
    with pytest.raises(Exception, match=r"secret|pickle"):
        pickle.dumps(client._options)
    gc.collect()
