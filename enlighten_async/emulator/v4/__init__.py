"""Version 4 of the service: OAuth2 beside the API key, other paths and envelopes, the same data."""
