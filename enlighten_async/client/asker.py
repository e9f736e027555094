"""Who asks, and under which digest what they buy is kept."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

from enlighten_async import v2
from enlighten_async.session import Access, Lasting, Options
from enlighten_async.transport import Secret, Transport


def lasting(api_key: Secret, user_id: Secret) -> Lasting:
    """Return what proves to v2 who asks."""
    return Lasting(v2.credentials(api_key, user_id), Secret(f"{api_key.reveal()}\n{user_id.reveal()}"))


def asker(
    access: Callable[[str | Secret], Access], version: str, transport: Transport
) -> Callable[[str | Secret], Options]:
    """Return what makes the options of one user; under a digest of who that is, answers are stored.

    Args:
        access: makes what proves who it is.
        version: of the API.
        transport: the way to the service; one inside the process is another than that of the same address.
    """
    where = f"{transport.origin.base}\n{'inside' if transport.service is not None else ''}"

    def options(user: str | Secret) -> Options:
        proof = access(user)
        owner = f"{version}\n{where}\n{proof.owner.reveal()}"
        return Options(proof, account=blake2b(owner.encode(), digest_size=32).digest())

    return options
