"""The client: the API's own names as methods, each of which returns a `Query`."""

from enlighten_async.client.client import DEFAULT_ACCOUNT, EnlightenClient
from enlighten_async.client.options import ClientOptions

__all__ = ["DEFAULT_ACCOUNT", "ClientOptions", "EnlightenClient"]
