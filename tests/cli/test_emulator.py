"""`enlighten emulator`: its drifts by name; that it serves is tested with processes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click
import pytest
from click.testing import CliRunner

from enlighten_async.cli.app import cli
from enlighten_async.cli.emulator import emulator, emulator_of, summary
from enlighten_async.emulator import DRIFTS, FAULTS, Drift, Emulator, Fault, Quota

OPTIONS: Any = {
    "plan": "watt",
    "seed": 0,
    "users": 1,
    "systems": 1,
    "latency": 0.0,
    "jitter": 0.0,
    "rotation": "strict",
    "faults": [],
    "token_ttl": None,
    "now": None,
    "added": frozenset(),
    "removed": frozenset(),
}


def test_the_help_lists_the_drifts() -> None:
    """Each with its effect, and whether it is on by default."""
    done = CliRunner().invoke(cli, ["emulator", "--help"], terminal_width=200)
    assert done.exit_code == 0
    assert all(f"  {name}" in done.output and text in done.output for name, text in DRIFTS.items())
    assert done.output.count("(on by default)") == 1


def test_an_unknown_drift_is_a_wrong_option() -> None:
    """The error names those there are."""
    for option in ("--drift", "--no-drift"):
        done = CliRunner().invoke(cli, ["emulator", option, "old-fields"])
        assert done.exit_code == 2
        assert "old-fields: choose from recorded-types" in done.output


def test_the_help_names_the_faults() -> None:
    """All that --fault takes."""
    done = CliRunner().invoke(cli, ["emulator", "--help"], terminal_width=200)
    assert ", ".join(FAULTS) in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--fault", "crash"], "there is no fault 'crash': choose from"),
        (["--now", "yesterday"], "write an instant such as 2026-05-01T12:00"),
        (["--token-ttl", "0"], "x>0"),
        (["--jitter", "-1"], "x>=0"),
    ],
)
def test_a_wrong_option_is_told(words: list[str], said: str) -> None:
    """With what to write."""
    done = CliRunner().invoke(cli, ["emulator", *words], terminal_width=200)
    assert done.exit_code == 2
    assert said in done.output


@pytest.mark.parametrize(
    ("option", "number", "said"),
    [
        *(
            (option, number, "is no number of seconds, such as 0.5")
            for option in ("--latency", "--jitter", "--token-ttl")
            for number in ("nan", "inf")
        ),
        ("--latency", "-inf", "x>=0"),
        ("--users", "1000001", "is not in the range"),
        ("--systems", "1000001", "is not in the range"),
        ("--fault", "drop,delay=nan", "out of range"),
        ("--fault", "drop,times=inf", "out of range"),
    ],
)
def test_a_number_that_is_none_is_told(option: str, number: str, said: str) -> None:
    """Before anything is served."""
    with pytest.raises(click.UsageError) as caught:
        emulator.make_context("emulator", [option, number])
    assert said in caught.value.format_message()


def test_the_switches_make_the_emulator() -> None:
    """Faults, latency and jitter, the life of tokens, and the time."""
    fault = Fault.drop()
    made = emulator_of(
        **{
            **OPTIONS,
            "plan": "kilowatt",
            "latency": 0.5,
            "jitter": 0.2,
            "faults": [fault],
            "token_ttl": 60.0,
            "now": datetime(2026, 5, 1, 12, tzinfo=UTC).timestamp(),
            "added": frozenset({Drift.OUTAGES}),
        }
    )
    assert (made.quota, made.latency_and_jitter, made.faults) == (Quota.KILOWATT, (0.5, 0.2), [fault])
    assert (made.token_ttl, Drift.OUTAGES in made.drifts) == (60.0, True)
    assert datetime.fromtimestamp(made.clock.now(), UTC).isoformat().startswith("2026-05-01T12:0")
    plain = emulator_of(**OPTIONS)
    assert (plain.token_ttl, plain.latency) == (86_399, 0.0)


def test_the_summary_tells_what_was_counted() -> None:
    """Requests, their statuses, and tokens if there were any."""
    emulator = Emulator()
    assert summary(emulator) == ["requests  0: 0 within the quota, 0 rejected; at most 0 in a minute"]
    counts = emulator.counts
    counts.sent, counts.served, counts.rejected = 1203, 1201, 2
    counts.windows.update({60: 10, 120: 3})
    counts.rejected_windows.update({60: 2})
    counts.by_status.update({409: 2, 200: 1201})
    counts.tokens["refresh_token"], counts.refused_tokens["refresh_token"] = 3, 1
    assert summary(emulator) == [
        "requests  1,203: 1,201 within the quota, 2 rejected; at most 12 in a minute",
        "status    200: 1,201, 409: 2",
        "tokens    refresh_token 3 (1 refused)",
    ]
