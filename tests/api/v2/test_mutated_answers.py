"""Answers with faults of any kind: a typed value or one of our errors, and nothing else."""

from __future__ import annotations

import json
from datetime import date
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.api.v2 import ApiV2
from enlighten_async.errors import APIError, DecodeError
from enlighten_async.models import (
    ConsumptionLifetime,
    EnergyLifetime,
    Envoys,
    Inventory,
    InvertersSummary,
    MonthlyProduction,
    ProductionMeterReadings,
    SystemId,
)
from tests.api.v2.answers import DATE
from tests.api.v2.single import told
from tests.effort import examples

API = ApiV2()
envoys = API.envoys
inventory = API.inventory
inverters_summary_by_envoy_or_site = API.inverters_summary_by_envoy_or_site
monthly_production = API.monthly_production
production_meter_readings = API.production_meter_readings
search_system_id = API.search_system_id
consumption_lifetime = API.consumption_lifetime
energy_lifetime = API.energy_lifetime

META = {"status": "normal", "last_report_at": DATE, "last_energy_at": None, "operational_at": 5}
MICRO = {
    "id": 9,
    "serial_number": "0688",
    "power_produced": {"value": 96, "units": "W", "precision": 0},
    "energy": {"value": 232, "units": "kJ", "precision": 0},
    "last_report_date": "2025-06-24T14:20:00-07:00",
}
READING = {"serial_number": "0123EIM1", "value": 5, "read_at": DATE, "start": 5, "end": 9}
DAYS = {"system_id": 7, "start_date": "2025-06-01", "meta": META}
ANSWERS: dict[type[Any], tuple[Any, Any]] = {
    EnergyLifetime: (
        energy_lifetime,
        {**DAYS, "production": [1, 0], "micro_production": [1, 2], "meter_production": [0], "new": 1},
    ),
    ConsumptionLifetime: (consumption_lifetime, {**DAYS, "consumption": [1, 0]}),
    Envoys: (envoys, {"system_id": 7, "envoys": [{"envoy_id": 1, "name": "E", "last_report_at": DATE}]}),
    Inventory: (
        inventory,
        {"system_id": 7, "envoys": [{"sn": "1"}], "meters": [{"sn": "2", "state": "x"}], "meta": META},
    ),
    InvertersSummary: (
        inverters_summary_by_envoy_or_site,
        [{"signal_strength": 5, "micro_inverters": [MICRO, {"power_produced": 5}]}],
    ),
    ProductionMeterReadings: (
        production_meter_readings,
        {"system_id": 7, "meter_readings": [READING], "meta": META},
    ),
    MonthlyProduction: (
        lambda system_id: monthly_production(system_id, date(2015, 3, 1)),
        {**DAYS, "end_date": "2025-06-30", "production_wh": 9, "meter_readings": [READING]},
    ),
    SystemId: (lambda system_id: search_system_id(str(system_id)), {"system_id": 7}),
}
JUNK = (
    *(
        None,
        True,
        False,
        0,
        -1,
        7,
        1.5,
        -0.0,
        1e300,
        10**18,
        -(10**30),
        DATE,
        253_402_300_800,
        -62_135_596_801,
    ),
    *("", "x", "7", "NaN", "2025-06-01", "9999-12-31", "0001-01-01T00:00:00+14:00", "2025-06-24T00:00:00"),
    *("9999-12-31T23:59:59-14:00", "9999-12-31T00:00:00Z", "\ud83d\ude00", "T", "W", "kJ"),
    *([], [None], [[]], {}, {"value": {}}, {"value": 1e308, "units": "MWh"}, {"system_id": 7}),
)


def mutated(value: Any, rng: Random, share: float) -> Any:
    """Return a value in which some parts are others, missing, or repeated."""
    if rng.random() < share:
        return rng.choice(JUNK)
    if isinstance(value, dict):
        return {name: mutated(item, rng, share) for name, item in value.items() if rng.random() >= share / 3}
    if isinstance(value, list):
        return [mutated(item, rng, share) for item in value for _ in range(rng.random() >= share / 3)]
    return value


@pytest.mark.filterwarnings("ignore:monthly_production:DeprecationWarning")
@examples(600)
@given(
    model=st.sampled_from(list(ANSWERS)),
    seed=st.integers(0, 2**32),
    share=st.sampled_from([0.0, 0.05, 0.15, 0.4]),
    cut=st.none() | st.integers(0, 60),
)
def test_any_answer_is_a_value_or_a_decode_error(
    model: type[Any], seed: int, share: float, cut: int | None
) -> None:
    """And a value can be read through and written as JSON."""
    make, usual = ANSWERS[model]
    body = json.dumps(mutated(usual, Random(seed), share)).encode()[:cut]  # noqa: S311 - faults, not secrets
    got = told(make(7), body)
    if isinstance(got, DecodeError):
        assert share or cut is not None
        assert got.path.startswith("$")
        assert got.response is not None
        assert got.response.body == body
        return
    assert type(got) is model
    json.dumps(got.to_dict(), allow_nan=False)
    for row in got if hasattr(got, "__len__") else ():
        json.dumps(row.to_dict(), allow_nan=False)


REFUSAL = {
    "reason": "Requested date range is invalid for this system",
    "message": ["The given system does not contain any active and enabled consumption meter"],
    "errorMessages": ["Resource not found"],
    "errorCode": 7,
    "start": "2025-06-24",
    "end": "2025-06-23",
}


@pytest.mark.filterwarnings("ignore:monthly_production:DeprecationWarning")
@examples(400)
@given(
    model=st.sampled_from(list(ANSWERS)),
    status=st.sampled_from([201, 204, 302, 400, 401, 403, 404, 405, 409, 410, 422, 500, 503]),
    seed=st.integers(0, 2**32),
    kept=st.sets(st.sampled_from(list(REFUSAL))),
    share=st.sampled_from([0.0, 0.1, 0.4]),
)
def test_any_refusal_is_an_error_or_an_empty_answer(
    model: type[Any], status: int, seed: int, kept: set[str], share: float
) -> None:
    """Empty only where the service has words for it, and with a reason."""
    chosen = {name: value for name, value in REFUSAL.items() if name in kept}
    body = json.dumps(mutated(chosen, Random(seed), share)).encode()  # noqa: S311 - faults, not secrets
    got = told(ANSWERS[model][0](7), body, status)
    if isinstance(got, APIError):
        assert got.status == status
        return
    assert model in {EnergyLifetime, ConsumptionLifetime, ProductionMeterReadings}
    assert kept or status == 204
    assert type(got) is model
    assert len(got) == 0
    assert model is ProductionMeterReadings or (got.start_date, got.reason is None) == (None, False)
