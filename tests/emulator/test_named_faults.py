"""Faults by name: what their texts mean, and what is said of wrong ones."""

from __future__ import annotations

import math

import pytest

from enlighten_async.emulator import FAULTS, parse_fault


@pytest.mark.parametrize("name", FAULTS)
def test_every_name_makes_its_fault(name: str) -> None:
    """With its name, for the list of faults; an outage goes on, the others meet one request."""
    options = ",status=418" if name == "answer" else ""
    fault = parse_fault(f"{name}{options}")
    assert (fault.name, fault.times) == (name, math.inf if name.startswith("outage-") else 1)


def test_options_are_those_of_the_fault() -> None:
    """As texts; numbers are read."""
    fault = parse_fault("answer, times=always,after=2,path=rgm_stats,delay=0.5,status=503,body=wait")
    assert (fault.times, fault.after, fault.path, fault.delay) == (math.inf, 2, "rgm_stats", 0.5)
    assert (fault.status, fault.body) == (503, "wait")
    assert parse_fault("outage-503,retry_after=60").headers == (("Retry-After", "60"),)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("crash", "there is no fault 'crash': choose from unavailable"),
        ("drop,times", "write NAME,OPTION=VALUE,...: 'times' has no value"),
        ("drop,count=2", "the fault drop has no option 'count': choose from times"),
        ("drop,retry_after=2", "the fault drop has no option 'retry_after'"),
        ("drop,times=0", "times='0' of the fault drop is out of range"),
        ("drop,times=nan", "times='nan' of the fault drop is out of range"),
        ("hang,delay=x", "delay='x' of the fault hang is out of range"),
        ("answer,status=99", "status='99' of the fault answer is out of range"),
        ("answer", "the fault answer needs a status, a body or a delay"),
    ],
)
def test_a_wrong_text_is_told(text: str, said: str) -> None:
    """With what may be written."""
    with pytest.raises(ValueError, match="^" + said.replace("...", r"\.\.\.")):
        parse_fault(text)
