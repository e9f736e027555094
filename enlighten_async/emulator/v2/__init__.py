"""Version 2 of the service, authorized by an API key and a user id; it ended in 2024."""
