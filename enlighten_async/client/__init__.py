"""The client: the API's own names as methods, each of which returns a `Query`."""

from enlighten_async.client.client import ClientOptions, EnlightenClient

__all__ = ["ClientOptions", "EnlightenClient"]
