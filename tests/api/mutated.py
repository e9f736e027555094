"""Bodies with something wrong in them."""

from __future__ import annotations

import random
from typing import Any


def mutated(body: Any, value: object, rng: random.Random) -> Any:
    """Return a body with one of its values, at any depth, replaced."""
    if isinstance(body, dict) and body and rng.random() < 0.9:
        name = rng.choice(sorted(body))
        return {**body, name: mutated(body[name], value, rng)}
    if isinstance(body, list) and body and rng.random() < 0.9:
        place = rng.randrange(len(body))
        return [*body[:place], mutated(body[place], value, rng), *body[place + 1 :]]
    return value
