"""Version 4 of the service, authorized by an API key and OAuth2: other paths and envelopes, the same data."""
